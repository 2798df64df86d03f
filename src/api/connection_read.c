/* SPDX-License-Identifier: MIT */
/* The reading half of a connection: requests, and the management records between them.
 *
 * A typical request arrives whole, with one recv. Then libfcgi reads it straight from the socket,
 * and nothing is copied. Any other request is collected piece by piece first, since libfcgi would
 * block on the missing bytes. So bytes are peeked at before they are taken. */
#include "config.h"

#include <errno.h>
#include <sys/socket.h>

#include "api/connection.h"
#include "api/listen.h"
#include "base/log.h"

enum { PIECE = 16 * 1024 /* bytes read at a time */ };

/* --- records outside a request ---------------------------------------------------------------- */

/* Sends a small record. Only while nothing else is being written. */
static bool send_record(struct connection *connection, const unsigned char *record, size_t length)
{
    if (send(connection->fd, record, length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length)
        return true;
    return connection_close(connection);
}

/* Ends a request that is not served, with a protocolStatus. */
static bool refuse(struct connection *connection, unsigned request_id, enum protocol_status status,
                   bool keep_conn)
{
    unsigned char record[RECORD_ANSWER_MAX];
    size_t length = record_end(record, request_id, status);

    if (!send_record(connection, record, length))
        return false;
    return keep_conn || connection_close(connection);
}

static bool handle_notice(struct connection *connection, const struct fcgi_scan *scan)
{
    unsigned char record[RECORD_ANSWER_MAX];

    switch (scan->notice) {
    case NOTICE_VALUES:
        return send_record(connection, record,
                           record_values(record, scan->record + RECORD_HEADER, scan->notice_length,
                                         connection->io->shared->connections_max));
    case NOTICE_UNKNOWN_TYPE:
        return send_record(connection, record, record_unknown_type(record, scan->notice_type));
    case NOTICE_UNKNOWN_ROLE:
        return refuse(connection, scan->notice_id, UNKNOWN_ROLE, scan->notice_keep_conn);
    case NOTICE_CANT_MULTIPLEX:
        return refuse(connection, scan->notice_id, CANT_MPX_CONN, true);
    default:
        return true;
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The peer is no web server, is broken, or fell silent: there is no request to answer. */
static bool discard(struct connection *connection)
{
    log_event(LEVEL_WARNING, "request", "detail=\"not a whole FastCGI request\"");
    return connection_close(connection);
}

/* In its body, a request is served with what has come: the handler finds the body short, and the
 * client gets a 400 or, while the worker stops, a 503. Before that there is no request to
 * answer. */
bool connection_break_off(struct connection *connection)
{
    connection->last_request = true;
    if (connection->scan.stage == RECORDS_BODY)
        return connection_serve_collected(connection);
    return fcgi_scan_between(&connection->scan) ? connection_close(connection)
                                                : discard(connection);
}

/* Returns whether the bytes are exactly one request: libfcgi may read it from the socket then. */
static bool is_one_request(const unsigned char *bytes, size_t count)
{
    struct fcgi_scan scan = {0};
    struct record_piece piece;
    size_t at = 0;

    while (at < count && scan.stage < RECORDS_WHOLE && !scan.notice)
        at += fcgi_scan(&scan, bytes + at, count - at, &piece);
    return at == count && scan.stage == RECORDS_WHOLE && !scan.mixed;
}

/* Too much to keep: the rest is scanned all the same, so that the request's end is found, and it
 * can be answered. */
static void keep(struct connection *connection, const struct record_piece *piece)
{
    if (connection->overloaded || incoming_keep(&connection->incoming, piece))
        return;
    connection->overloaded = true;
    incoming_close(&connection->incoming);
}

/* Scans bytes and keeps those of the request, until it ends or a record needs a reply. Returns
 * the number of bytes taken. */
static size_t collect(struct connection *connection, const unsigned char *bytes, size_t count)
{
    struct fcgi_scan *scan = &connection->scan;
    struct record_piece piece;
    size_t at = 0;

    do {
        at += fcgi_scan(scan, bytes + at, count - at, &piece);
        if (piece.length)
            keep(connection, &piece);
    } while (at < count && scan->stage < RECORDS_WHOLE && !scan->notice);
    return at;
}

/* Drops a request that is aborted while it is being read. */
static bool abort_reading(struct connection *connection)
{
    const struct fcgi_scan scan = connection->scan;

    incoming_close(&connection->incoming);
    connection->overloaded = false;
    fcgi_scan_next(&connection->scan);
    return refuse(connection, scan.request_id, REQUEST_COMPLETE, scan.keep_conn);
}

/* Acts on what the last piece brought: an error, a record to answer, or a complete request. */
static bool handle_collected(struct connection *connection)
{
    struct fcgi_scan *scan = &connection->scan;

    if (scan->stage == RECORDS_BAD)
        return discard(connection);
    if (scan->notice == NOTICE_ABORT)
        return abort_reading(connection);
    if (scan->notice && !handle_notice(connection, scan))
        return false;
    if (scan->stage == RECORDS_WHOLE)
        return connection_serve_collected(connection);
    return true;
}

/* Returns whether the request took too long to arrive. The clock starts with its first byte. */
static bool is_late(struct connection *connection)
{
    const struct io *io = connection->io;

    if (connection->state == CONNECTION_IDLE) {
        connection->read_until = io->now + io->shared->settings->api.body_timeout * 1000;
        return false;
    }
    connection->interrupted = io->stopping && io->now > io->stop_reading;
    return connection->interrupted || io->now > connection->read_until;
}

/* Takes over a connection that a stopping worker passed along on this one. */
static bool adopt(struct connection *connection)
{
    struct io *io = connection->io;
    int fd = listen_take_over(connection->fd);

    if (fd >= 0)
        connection_open(io, fd);
    return connection_close(connection);
}

/* Reads once. *more: there may be more to read. Peeks first, since a complete request must stay in
 * the socket for libfcgi to read it from there. Bytes of any other request are taken and kept. */
static bool read_some(struct connection *connection, bool *more)
{
    unsigned char bytes[PIECE];
    ssize_t n = recv(connection->fd, bytes, sizeof bytes, MSG_PEEK);

    *more = n > 0;
    connection->pending = false;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0 || is_late(connection))
        return connection_break_off(connection);
    if (bytes[0] == HANDOVER_MARK && fcgi_scan_between(&connection->scan))
        return adopt(connection);
    if (fcgi_scan_between(&connection->scan) && is_one_request(bytes, (size_t)n)) {
        *more = connection->peer_closed;
        return connection_serve(connection, connection->fd);
    }
    size_t taken = collect(connection, bytes, (size_t)n);
    if (recv(connection->fd, bytes, taken, 0) != (ssize_t)taken)
        return connection_close(connection);
    connection_enter(connection, CONNECTION_READING);
    if (!handle_collected(connection))
        return false;
    if (connection->state == CONNECTION_READING && fcgi_scan_between(&connection->scan))
        connection_enter(connection, CONNECTION_IDLE);
    return true;
}

bool connection_is_reading(const struct connection *connection)
{
    return connection->state == CONNECTION_IDLE || connection->state == CONNECTION_READING;
}

/* --- while the request waits ------------------------------------------------------------------ */

bool connection_end_aborted(struct connection *connection)
{
    unsigned char record[RECORD_ANSWER_MAX];

    connection_end_reading(connection);
    if (!send_record(connection, record,
                     record_end(record, connection->scan.request_id, REQUEST_COMPLETE)))
        return false;
    return connection_end_request(connection);
}

static bool abort_waiting(struct connection *connection)
{
    connection->aborted = true;
    if (scheduler_abandon(connection->io->shared->scheduler, &connection->waiter))
        return connection_end_aborted(connection);
    return true; /* its response is already under way */
}

/* Reads a record that arrives while the request waits: an abort, or a management record. The next
 * request stays in the socket until this one is answered, since a connection has one request at a
 * time. *more says whether something was taken, so that more may follow. */
static bool read_while_waiting(struct connection *connection, bool *more)
{
    unsigned char bytes[RECORD_HEADER + RECORD_SMALL_MAX + UINT8_MAX];
    struct fcgi_scan scan = {.stage = RECORDS_BODY, .request_id = connection->scan.request_id};
    struct record_piece piece;
    ssize_t n = recv(connection->fd, bytes, sizeof bytes, MSG_PEEK);
    size_t at = 0;

    while (n > 0 && at < (size_t)n && scan.stage == RECORDS_BODY && !scan.notice)
        at += fcgi_scan(&scan, bytes + at, (size_t)n - at, &piece);
    *more = scan.notice && scan.notice != NOTICE_CANT_MULTIPLEX;
    connection->pending = n >= 0 && !*more;
    if (!*more)
        return true;
    if (recv(connection->fd, bytes, at, 0) != (ssize_t)at)
        return connection_close(connection);
    return scan.notice == NOTICE_ABORT ? abort_waiting(connection)
                                       : handle_notice(connection, &scan);
}

bool connection_read(struct connection *connection)
{
    bool more = true;

    while (more && connection->state != CONNECTION_WRITING) {
        bool open = connection_is_reading(connection) ? read_some(connection, &more)
                                                      : read_while_waiting(connection, &more);
        if (!open)
            return false;
    }
    connection->pending |= more;
    return true;
}
