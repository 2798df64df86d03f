/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/record_scan.h"

#include <stdbool.h>
#include <string.h>

enum { PROTOCOL = 1, RESPONDER = 1 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- the names and values of PARAMS (section 3.4) -------------------------------------------- */

/* The length that starts at `at`, of one byte or four; false while it is not complete. */
static bool length_at(const struct record_scan *scan, size_t *at, size_t *length)
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

/* One more byte of the two lengths. False when they announce too much. */
static bool take_length(struct record_scan *scan, unsigned char byte)
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

static bool take_params(struct record_scan *scan, const unsigned char *bytes, size_t count)
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

/* --- records --------------------------------------------------------------------------------- */

/* The empty record that ends a stream. */
static enum record_stage end_stream(const struct record_scan *scan)
{
    if (scan->stage == RECORDS_BODY)
        return RECORDS_WHOLE;
    return scan->pair || scan->lengths_used ? RECORDS_BAD : RECORDS_BODY;
}

/* A header of PARAMS or STDIN, or BEGIN_REQUEST with its content; returns the stage after it. */
static enum record_stage take_head(struct record_scan *scan)
{
    static const unsigned char types[] = {[RECORDS_BEGIN] = RECORD_BEGIN,
                                          [RECORDS_PARAMS] = RECORD_PARAMS,
                                          [RECORDS_BODY] = RECORD_STDIN};
    const unsigned char *head = scan->head;
    unsigned request_id = (unsigned)head[2] << 8 | head[3];
    size_t length = (size_t)head[4] << 8 | head[5];

    if (head[0] != PROTOCOL || head[1] != types[scan->stage])
        return RECORDS_BAD;
    scan->padding = head[6];
    if (scan->stage == RECORDS_BEGIN) {
        unsigned role = (unsigned)head[8] << 8 | head[9];
        scan->request_id = request_id;
        return request_id && length == RECORD_HEADER && role == RESPONDER ? RECORDS_PARAMS
                                                                          : RECORDS_BAD;
    }
    if (request_id != scan->request_id)
        return RECORDS_BAD;
    scan->content = length;
    return length ? scan->stage : end_stream(scan);
}

/* Collects a head. Returns how many bytes it took. */
static size_t collect_head(struct record_scan *scan, const unsigned char *bytes, size_t count)
{
    size_t size = scan->stage == RECORDS_BEGIN ? 2 * RECORD_HEADER : RECORD_HEADER;
    size_t taken = smaller(size - scan->head_used, count);

    memcpy(scan->head + scan->head_used, bytes, taken);
    scan->head_used += taken;
    if (scan->head_used == size) {
        scan->head_used = 0;
        scan->stage = take_head(scan);
    }
    return taken;
}

/* Takes content and padding of the record under way. */
static size_t take_content(struct record_scan *scan, const unsigned char *bytes, size_t count)
{
    size_t content = smaller(scan->content, count);
    size_t padding = smaller(scan->padding, count - content);

    if (scan->stage == RECORDS_PARAMS && !take_params(scan, bytes, content))
        scan->stage = RECORDS_BAD;
    scan->content -= content;
    scan->padding -= padding;
    return content + padding;
}

enum record_stage record_scan(struct record_scan *scan, const unsigned char *bytes, size_t count)
{
    while (count && scan->stage < RECORDS_WHOLE) {
        size_t taken = scan->content || scan->padding ? take_content(scan, bytes, count)
                                                      : collect_head(scan, bytes, count);
        bytes += taken;
        count -= taken;
    }
    return scan->stage;
}
