/* SPDX-License-Identifier: MIT */
/* A state machine over the bytes as they come, in whichever pieces. It keeps no more than the
 * header of a record and, of short ones, the content: some 600 bytes for a connection. It accepts
 * what web servers send and refuses the rest. A record out of order is an attack or a bug, and
 * libfcgi's own handling of it (a leak, a wait, an abort) is worse than a closed connection. */
#include "config.h"
#include "api/fcgi_scan.h"

#include <string.h>

enum { PROTOCOL = 1, RESPONDER = 1, KEEP_CONN = 1, BEGIN_LENGTH = 8 };

enum kind {
    SKIPPED, /* of a finished request, or of an unknown type */
    SMALL,   /* BEGIN_REQUEST, GET_VALUES: buffered whole */
    STREAM   /* PARAMS, STDIN */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- the names and values of PARAMS (section 3.4) --------------------------------------------- */

/* Reads the length at `at`, of one byte or four; false while it is incomplete. */
static bool length_at(const struct fcgi_scan *scan, size_t *at, size_t *length)
{
    const unsigned char *bytes = scan->lengths + *at;
    size_t size = *at < scan->lengths_used && *bytes & 0x80 ? 4 : 1;

    if (*at + size > scan->lengths_used)
        return false;
    *length = size == 1 ? *bytes
                        : (size_t)(bytes[0] & 0x7f) << 24 | (size_t)bytes[1] << 16 |
                              (size_t)bytes[2] << 8 | bytes[3];
    *at += size;
    return true;
}

/* Takes one byte of a pair's two lengths. False when they announce too much: the sum of all that is
 * announced is limited, not that of what has come, so an absurd length is refused at once and
 * cannot overflow. */
static bool take_length(struct fcgi_scan *scan, unsigned char byte)
{
    size_t at = 0, name = 0, value = 0;

    scan->lengths[scan->lengths_used++] = byte;
    scan->params++;
    if (!length_at(scan, &at, &name) || !length_at(scan, &at, &value))
        return true;
    scan->lengths_used = 0;
    scan->pair = name + value;
    scan->params += scan->pair;
    return scan->params <= RECORD_PARAMS_MAX;
}

static bool take_params(struct fcgi_scan *scan, const unsigned char *bytes, size_t count)
{
    for (size_t at = 0; at < count;) {
        size_t skip = smaller(scan->pair, count - at);
        scan->pair -= skip;
        at += skip;
        if (at < count && !take_length(scan, bytes[at++]))
            return false;
    }
    return true;
}

/* --- records ---------------------------------------------------------------------------------- */

static unsigned id_of(const struct fcgi_scan *scan)
{
    return (unsigned)scan->record[2] << 8 | scan->record[3];
}

static bool is_active(const struct fcgi_scan *scan)
{
    return scan->stage != RECORDS_BEGIN;
}

static void set_notice(struct fcgi_scan *scan, enum record_notice notice)
{
    scan->notice = notice;
    scan->notice_id = id_of(scan);
    scan->notice_type = scan->record[1];
    scan->notice_length = scan->used - RECORD_HEADER;
}

/* Decides from a complete header how to treat the record. An id of 0 belongs to management records,
 * and to them only (section 3.3). Late records of a request that was refused or ended are skipped:
 * the web server may have sent them before it knew. */
static enum kind kind_of(struct fcgi_scan *scan)
{
    unsigned type = scan->record[1], id = id_of(scan);

    if (scan->record[0] != PROTOCOL || (id == 0) != (type >= RECORD_GET_VALUES)) {
        scan->stage = RECORDS_BAD;
    } else if (id == 0) {
        return type == RECORD_GET_VALUES ? SMALL : SKIPPED;
    } else if (type == RECORD_BEGIN && (!is_active(scan) || id != scan->request_id)) {
        return SMALL;
    } else if (is_active(scan) && id == scan->request_id) {
        if (type == (scan->stage == RECORDS_PARAMS ? RECORD_PARAMS : RECORD_STDIN))
            return STREAM;
        if (type != RECORD_ABORT)
            scan->stage = RECORDS_BAD;
    } else if (id != scan->ended_id && type != RECORD_ABORT) {
        scan->stage = RECORDS_BAD;
    }
    return SKIPPED;
}

/* Handles a complete BEGIN_REQUEST (section 5.1). */
static void begin(struct fcgi_scan *scan, struct record_piece *piece)
{
    const unsigned char *content = scan->record + RECORD_HEADER;
    unsigned role = (unsigned)content[0] << 8 | content[1];

    scan->notice_keep_conn = content[2] & KEEP_CONN;
    if (is_active(scan) || role != RESPONDER) {
        set_notice(scan, is_active(scan) ? NOTICE_CANT_MULTIPLEX : NOTICE_UNKNOWN_ROLE);
        scan->ended_id = id_of(scan);
        return;
    }
    scan->request_id = id_of(scan);
    scan->keep_conn = content[2] & KEEP_CONN;
    scan->stage = RECORDS_PARAMS;
    *piece = (struct record_piece){scan->record, RECORD_HEADER + BEGIN_LENGTH};
}

/* Handles the end of the current record. */
static void end_record(struct fcgi_scan *scan, struct record_piece *piece)
{
    unsigned type = scan->record[1];
    bool empty = scan->record[4] == 0 && scan->record[5] == 0;

    if (scan->kind == SMALL && type == RECORD_BEGIN)
        begin(scan, piece);
    else if (scan->kind == SMALL)
        set_notice(scan, NOTICE_VALUES);
    else if (id_of(scan) == 0)
        set_notice(scan, NOTICE_UNKNOWN_TYPE);
    else if (type == RECORD_ABORT && is_active(scan) && id_of(scan) == scan->request_id)
        set_notice(scan, NOTICE_ABORT);
    else if (scan->kind == STREAM && empty && scan->stage == RECORDS_BODY)
        scan->stage = RECORDS_WHOLE;
    else if (scan->kind == STREAM && empty)
        scan->stage = scan->pair || scan->lengths_used ? RECORDS_BAD : RECORDS_BODY;
    scan->used = 0;
}

/* Padding is dropped, so the kept header must announce none. */
static void begin_record(struct fcgi_scan *scan, struct record_piece *piece)
{
    scan->content = (size_t)scan->record[4] << 8 | scan->record[5];
    scan->padding = scan->record[6];
    scan->kind = (int)kind_of(scan);
    scan->record[6] = 0;
    if (scan->kind == SKIPPED || (scan->padding && !scan->content))
        scan->mixed = true; /* libfcgi may leave the last record's padding in the socket */
    if (scan->kind == STREAM)
        *piece = (struct record_piece){scan->record, RECORD_HEADER};
    if (scan->kind == SMALL && (scan->content > RECORD_SMALL_MAX ||
                                (scan->record[1] == RECORD_BEGIN && scan->content != BEGIN_LENGTH)))
        scan->stage = RECORDS_BAD;
}

static size_t take_header(struct fcgi_scan *scan, const unsigned char *bytes, size_t count,
                          struct record_piece *piece)
{
    size_t taken = smaller(RECORD_HEADER - scan->used, count);

    memcpy(scan->record + scan->used, bytes, taken);
    scan->used += taken;
    if (scan->used == RECORD_HEADER)
        begin_record(scan, piece);
    return taken;
}

static size_t take_content(struct fcgi_scan *scan, const unsigned char *bytes, size_t count,
                           struct record_piece *piece)
{
    size_t taken = smaller(scan->content, count);

    scan->content -= taken;
    if (scan->kind == SMALL) {
        memcpy(scan->record + scan->used, bytes, taken);
        scan->used += taken;
    } else if (scan->kind == STREAM) {
        *piece = (struct record_piece){bytes, taken};
        if (scan->stage == RECORDS_PARAMS && !take_params(scan, bytes, taken))
            scan->stage = RECORDS_BAD;
    }
    return taken;
}

static size_t take_padding(struct fcgi_scan *scan, size_t count)
{
    size_t taken = smaller(scan->padding, count);

    scan->padding -= taken;
    return taken;
}

/* One step is a header, a part of a record's content, or padding. A record may be complete after
 * any of them, even after the header alone if it is empty. */
size_t fcgi_scan(struct fcgi_scan *scan, const unsigned char *bytes, size_t count,
                 struct record_piece *piece)
{
    size_t taken = 0;

    *piece = (struct record_piece){0};
    scan->notice = NOTICE_NONE;
    if (scan->stage >= RECORDS_WHOLE)
        return 0;
    if (scan->used < RECORD_HEADER)
        taken = take_header(scan, bytes, count, piece);
    else if (scan->content)
        taken = take_content(scan, bytes, count, piece);
    else
        taken = take_padding(scan, count);
    if (scan->used >= RECORD_HEADER && !scan->content && !scan->padding &&
        scan->stage != RECORDS_BAD)
        end_record(scan, piece);
    return taken;
}

bool fcgi_scan_between(const struct fcgi_scan *scan)
{
    return scan->stage == RECORDS_BEGIN && scan->used == 0;
}

void fcgi_scan_next(struct fcgi_scan *scan)
{
    *scan = (struct fcgi_scan){.ended_id = scan->request_id};
}
