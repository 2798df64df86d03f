/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/connection.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/fcgi.h"
#include "api/handover.h"
#include "api/io.h"
#include "api/parking.h"
#include "base/log.h"
#include "base/xalloc.h"

enum {
    PIECE = 16 * 1024,       /* bytes that are read at a time */
    IDLE_MS = 10 * 60 * 1000 /* web servers close idle connections much sooner */
};

/* Static functions that return bool say whether the connection is still open: it is freed when it
 * is closed. */

/* --- its life -------------------------------------------------------------------------------- */

static int64_t limit_of(const struct connection *connection)
{
    const struct io *io = connection->io;

    switch (connection->state) {
    case CONNECTION_IDLE:
        return io->now + (io->stopping ? IO_GRACE_MS : IDLE_MS);
    case CONNECTION_READING:
        if (io->stopping)
            return io->stop_reading;
        /* fall through */
    case CONNECTION_WRITING:
        return io->now + io->app->settings->api.io_timeout * 1000;
    default:
        return INT64_MAX;
    }
}

/* Enters a state, or makes its time begin again. */
static void enter(struct connection *connection, enum connection_state state)
{
    struct connections *lists = connection->io->by_state;

    TAILQ_REMOVE(&lists[connection->state], connection, next);
    TAILQ_INSERT_TAIL(&lists[state], connection, next);
    connection->state = state;
    connection->until = limit_of(connection);
}

/* Has epoll tell of what comes, of the end, and of EPOLLOUT if `events` has it. */
static void watch(struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLIN | EPOLLRDHUP | EPOLLET,
                                .data.ptr = connection};
    int change = connection->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (connection->events == event.events)
        return;
    if (epoll_ctl(connection->io->epoll, change, connection->fd, &event) != 0)
        log_event(LEVEL_ERROR, "epoll", "detail=\"%s\"", strerror(errno));
    connection->events = event.events;
}

static bool close_connection(struct connection *connection)
{
    struct io *io = connection->io;

    TAILQ_REMOVE(&io->by_state[connection->state], connection, next);
    io->count--;
    atomic_fetch_sub(&io->app->connections, 1);
    question_free(connection->waiter.question);
    reply_release(connection->reply);
    incoming_close(&connection->incoming);
    fcgi_free(connection->fcgi);
    if (connection->fd >= 0)
        close(connection->fd);
    free(connection->head);
    free(connection);
    return false;
}

/* The other worker's descriptor is of the same open file, for which epoll would go on to tell. */
static bool hand_over(struct connection *connection)
{
    if (connection->events)
        epoll_ctl(connection->io->epoll, EPOLL_CTL_DEL, connection->fd, NULL);
    connection->events = 0;
    return handover_send(connection->io->listener, connection->fd);
}

/* After an answer, or a request that gets none. */
static bool end_request(struct connection *connection)
{
    if (connection->fcgi)
        fcgi_finish(connection->fcgi);
    incoming_close(&connection->incoming);
    reply_release(connection->reply);
    free(connection->head);
    connection->reply = NULL;
    connection->head = NULL;
    connection->aborted = connection->overloaded = false;
    bool stays = connection->keeps && !connection->last;
    if (stays && connection->io->stopping)
        hand_over(connection);
    if (!stays || connection->io->stopping)
        return close_connection(connection);
    record_scan_next(&connection->scan);
    enter(connection, CONNECTION_IDLE);
    return true;
}

/* --- writing --------------------------------------------------------------------------------- */

static unsigned unread_by_peer(const struct connection *connection)
{
    int bytes = 0;

    ioctl(connection->fd, SIOCOUTQ, &bytes);
    return (unsigned)bytes;
}

static bool cut_writing(struct connection *connection)
{
    log_event(LEVEL_INFO, "write", "id=%s detail=\"the reader has gone, or stands still\"",
              connection->request.id);
    return close_connection(connection);
}

static bool write_some(struct connection *connection)
{
    switch (outgoing_send(&connection->outgoing, connection->fd)) {
    case PROGRESS_COMPLETE:
        reply_log(connection->reply, &connection->request);
        watch(connection, 0);
        return end_request(connection);
    case PROGRESS_BROKEN:
        return cut_writing(connection);
    default:
        connection->unread = unread_by_peer(connection);
        watch(connection, EPOLLOUT);
        enter(connection, CONNECTION_WRITING);
        return true;
    }
}

/* libfcgi cannot but wait for a reader, so it encodes what fits into a socket that is empty. */
static bool respond(struct connection *connection, struct reply *reply)
{
    char head[REPLY_HEAD_MAX];
    size_t head_length =
        reply_head(reply, &connection->request, connection->io->app->settings, head);
    size_t body_length = reply_body_length(reply, &connection->request);

    if (!connection->overloaded && head_length + body_length <= FCGI_ANSWER_MAX &&
        unread_by_peer(connection) == 0) {
        reply_log(reply, &connection->request);
        return fcgi_encode(connection->fcgi, connection->fd, head, head_length, reply->body,
                           body_length)
                   ? end_request(connection)
                   : close_connection(connection);
    }
    connection->reply = reply_hold(reply);
    connection->head = xstrndup(head, head_length);
    connection->outgoing = (struct outgoing){.request_id = connection->scan.request_id,
                                             .head = connection->head,
                                             .head_length = head_length,
                                             .body = reply->body,
                                             .body_length = body_length};
    return write_some(connection);
}

static bool respond_error(struct connection *connection, enum err err, const struct error *e)
{
    struct reply *reply = reply_error(err, e);
    bool open = respond(connection, reply);

    reply_release(reply);
    return open;
}

/* --- the request ----------------------------------------------------------------------------- */

static long read_body(void *context, char *buffer, size_t size)
{
    return fcgi_read(((struct connection *)context)->fcgi, buffer, size);
}

/* Begins a request, or goes on with one whose agent was looked up. Returns as dispatch_request. */
static struct reply *dispatch(struct connection *connection, struct question **question)
{
    struct app *app = connection->io->app;
    struct error e = {0};

    *question = connection->waiter.question;
    connection->waiter.question = NULL;
    if (*question)
        return dispatch_resume(&connection->request, question);
    enum err err =
        request_parse(&connection->request, fcgi_variables(connection->fcgi),
                      app->settings->api.prefix, read_body, connection, &e);
    if (connection->crowded)
        err = error_set(&e, ERR_BUSY, "too many connections for the descriptors there are");
    return err ? reply_error(err, &e) : dispatch_request(app, &connection->request, question);
}

static bool enqueue(struct connection *connection, struct question *question)
{
    question->until = board_now() + question->wait * 1000;
    connection->waiter.question = question;
    connection->waiter.gone = connection->ended;
    enter(connection, CONNECTION_WAITING);
    watch(connection, 0);
    enum err err = parking_ask(connection->io->app, &connection->waiter);
    if (!err)
        return true;
    connection->waiter.question = NULL;
    question_free(question);
    return respond_error(connection, err, NULL);
}

/* Only a request whose agent is not admitted was not read by then. */
static void end_reading(struct connection *connection)
{
    fcgi_end_reading(connection->fcgi);
    incoming_close(&connection->incoming);
}

/* Answers the request or has it wait. */
static bool run(struct connection *connection)
{
    struct question *question = NULL;
    struct reply *reply = dispatch(connection, &question);

    if (!reply && question->next) /* its body is read later */
        return enqueue(connection, question);
    end_reading(connection);
    if (!reply)
        return enqueue(connection, question);
    bool open = connection->cut_off ? respond_error(connection, ERR_STOPPING, NULL)
                                    : respond(connection, reply);
    reply_release(reply);
    return open;
}

/* Decodes the request that lies in `fd`, its socket or the file of what was collected. */
static bool serve(struct connection *connection, int fd)
{
    if (!connection->fcgi)
        connection->fcgi = fcgi_new();
    if (fcgi_decode(connection->fcgi, fd, &connection->keeps)) {
        connection->scan.request_id = (unsigned)fcgi_request_id(connection->fcgi);
        return run(connection);
    }
    *(fd == connection->fd ? &connection->fd : &connection->incoming.file) = -1;
    log_event(LEVEL_WARNING, "request", "detail=\"libfcgi does not take it\"");
    return close_connection(connection);
}

/* A request that was not kept: nothing is known of it but its id. */
static bool refuse_overloaded(struct connection *connection)
{
    char *nothing[] = {NULL};
    struct error e = {0};

    connection->overloaded = true;
    connection->keeps = connection->scan.keeps;
    request_parse(&connection->request, nothing, "", read_body, connection, &e);
    error_set(&e, ERR_BUSY, "too much is being received, or no descriptor is left for it");
    return respond_error(connection, ERR_BUSY, &e);
}

static bool serve_collected(struct connection *connection)
{
    int file = connection->overloaded ? -1 : incoming_open(&connection->incoming);

    return file >= 0 ? serve(connection, file) : refuse_overloaded(connection);
}

/* --- records that are no part of a request ---------------------------------------------------- */

/* What an idle connection is told, and one that reads or waits. */
static bool send_record(struct connection *connection, const unsigned char *record, size_t length)
{
    if (send(connection->fd, record, length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length)
        return true;
    return close_connection(connection);
}

static bool refuse(struct connection *connection, unsigned request_id, enum protocol_status status,
                   bool keeps)
{
    unsigned char record[RECORD_ANSWER_MAX];
    size_t length = record_end(record, request_id, status);

    if (!send_record(connection, record, length))
        return false;
    return keeps || close_connection(connection);
}

static bool answer_notice(struct connection *connection, const struct record_scan *scan)
{
    unsigned char record[RECORD_ANSWER_MAX];

    switch (scan->notice) {
    case NOTICE_VALUES:
        return send_record(connection, record,
                           record_values(record, scan->record + RECORD_HEADER,
                                         scan->notice_length,
                                         connection->io->app->connections_max));
    case NOTICE_UNKNOWN_TYPE:
        return send_record(connection, record, record_unknown_type(record, scan->notice_type));
    case NOTICE_UNKNOWN_ROLE:
        return refuse(connection, scan->notice_id, UNKNOWN_ROLE, scan->notice_keeps);
    case NOTICE_CANT_MULTIPLEX:
        return refuse(connection, scan->notice_id, CANT_MPX_CONN, true);
    default:
        return true;
    }
}

/* --- reading --------------------------------------------------------------------------------- */

static bool discard(struct connection *connection)
{
    log_event(LEVEL_WARNING, "request", "detail=\"not a whole FastCGI request\"");
    return close_connection(connection);
}

/* No more will come of the request under way. One that breaks off in its body is answered. */
static bool break_off(struct connection *connection)
{
    connection->last = true;
    if (connection->scan.stage == RECORDS_BODY)
        return serve_collected(connection);
    return record_scan_between(&connection->scan) ? close_connection(connection)
                                                  : discard(connection);
}

/* Whether the bytes are one request and nothing else: libfcgi may read it from the socket. */
static bool is_one_request(const unsigned char *bytes, size_t count)
{
    struct record_scan scan = {0};
    struct record_piece piece;
    size_t at = 0;

    while (at < count && scan.stage < RECORDS_WHOLE && !scan.notice)
        at += record_scan(&scan, bytes + at, count - at, &piece);
    return at == count && scan.stage == RECORDS_WHOLE && !scan.mixed;
}

static void keep(struct connection *connection, const struct record_piece *piece)
{
    if (connection->overloaded || incoming_keep(&connection->incoming, piece))
        return;
    connection->overloaded = true;
    incoming_close(&connection->incoming);
}

/* Scans bytes and keeps those of the request, up to its end or something to be answered. Returns
 * how many it took. */
static size_t collect(struct connection *connection, const unsigned char *bytes, size_t count)
{
    struct record_scan *scan = &connection->scan;
    struct record_piece piece;
    size_t at = 0;

    do {
        at += record_scan(scan, bytes + at, count - at, &piece);
        if (piece.length)
            keep(connection, &piece);
    } while (at < count && scan->stage < RECORDS_WHOLE && !scan->notice);
    return at;
}

/* The request under way is aborted. */
static bool abort_reading(struct connection *connection)
{
    const struct record_scan scan = connection->scan;

    incoming_close(&connection->incoming);
    connection->overloaded = false;
    record_scan_next(&connection->scan);
    return refuse(connection, scan.request_id, REQUEST_COMPLETE, scan.keeps);
}

/* What was collected has changed. */
static bool after_collecting(struct connection *connection)
{
    struct record_scan *scan = &connection->scan;

    if (scan->stage == RECORDS_BAD)
        return discard(connection);
    if (scan->notice == NOTICE_ABORT)
        return abort_reading(connection);
    if (scan->notice && !answer_notice(connection, scan))
        return false;
    if (scan->stage == RECORDS_WHOLE)
        return serve_collected(connection);
    return true;
}

/* Whether the time for the request under way is over. */
static bool is_late(struct connection *connection)
{
    const struct io *io = connection->io;

    if (connection->state == CONNECTION_IDLE) {
        connection->read_until = io->now + io->app->settings->api.body_timeout * 1000;
        return false;
    }
    connection->cut_off = io->stopping && io->now > io->stop_reading;
    return connection->cut_off || io->now > connection->read_until;
}

/* Takes over the connection of a worker that stops, which came on this one. */
static bool adopt(struct connection *connection)
{
    struct io *io = connection->io;
    int fd = handover_receive(connection->fd);

    if (fd >= 0)
        connection_open(io, fd);
    return close_connection(connection);
}

/* Reads some of what has come. *more: there may be more of it. */
static bool read_some(struct connection *connection, bool *more)
{
    unsigned char bytes[PIECE];
    ssize_t n = recv(connection->fd, bytes, sizeof bytes, MSG_PEEK);

    *more = n > 0;
    connection->pending = false;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0 || is_late(connection))
        return break_off(connection);
    if (bytes[0] == HANDOVER_MARK && record_scan_between(&connection->scan))
        return adopt(connection);
    if (record_scan_between(&connection->scan) && is_one_request(bytes, (size_t)n)) {
        *more = connection->ended;
        return serve(connection, connection->fd);
    }
    size_t taken = collect(connection, bytes, (size_t)n);
    if (recv(connection->fd, bytes, taken, 0) != (ssize_t)taken)
        return close_connection(connection);
    enter(connection, CONNECTION_READING);
    if (!after_collecting(connection))
        return false;
    if (connection->state == CONNECTION_READING && record_scan_between(&connection->scan))
        enter(connection, CONNECTION_IDLE);
    return true;
}

static bool is_reading(const struct connection *connection)
{
    return connection->state == CONNECTION_IDLE || connection->state == CONNECTION_READING;
}

/* --- while it waits -------------------------------------------------------------------------- */

/* Ends a request that was aborted (section 5.4): nobody wants the answer. */
static bool end_aborted(struct connection *connection)
{
    unsigned char record[RECORD_ANSWER_MAX];

    question_free(connection->waiter.question);
    connection->waiter.question = NULL;
    end_reading(connection);
    if (!send_record(connection, record,
                     record_end(record, connection->scan.request_id, REQUEST_COMPLETE)))
        return false;
    return end_request(connection);
}

static bool abort_waiting(struct connection *connection)
{
    connection->aborted = true;
    if (parking_abandon(connection->io->app, &connection->waiter))
        return end_aborted(connection);
    return true; /* its answer is on its way */
}

/* A record that came while the request waits: of its own, or of none. Another request stays in the
 * socket until this one is answered. */
static bool read_while_waiting(struct connection *connection, bool *more)
{
    unsigned char bytes[RECORD_HEADER + RECORD_SMALL_MAX + UINT8_MAX];
    struct record_scan scan = {.stage = RECORDS_BODY, .request_id = connection->scan.request_id};
    struct record_piece piece;
    ssize_t n = recv(connection->fd, bytes, sizeof bytes, MSG_PEEK);
    size_t at = 0;

    while (n > 0 && at < (size_t)n && scan.stage == RECORDS_BODY && !scan.notice)
        at += record_scan(&scan, bytes + at, (size_t)n - at, &piece);
    *more = scan.notice && scan.notice != NOTICE_CANT_MULTIPLEX;
    connection->pending = n >= 0 && !*more;
    if (!*more)
        return true;
    if (recv(connection->fd, bytes, at, 0) != (ssize_t)at)
        return close_connection(connection);
    return scan.notice == NOTICE_ABORT ? abort_waiting(connection)
                                       : answer_notice(connection, &scan);
}

/* Reads all that has come, and answers what it can. */
static bool read_all(struct connection *connection)
{
    bool more = true;

    while (more && connection->state != CONNECTION_WRITING) {
        bool open = is_reading(connection) ? read_some(connection, &more)
                                           : read_while_waiting(connection, &more);
        if (!open)
            return false;
    }
    connection->pending |= more;
    return true;
}

/* --- what happens ---------------------------------------------------------------------------- */

void connection_open(struct io *io, int fd)
{
    struct connection *connection = xcalloc(1, sizeof *connection);
    size_t others = atomic_fetch_add(&io->app->connections, 1);

    connection->io = io;
    connection->fd = fd;
    connection->crowded = connection->last = others >= io->app->connections_max;
    connection->incoming.file = -1;
    connection->until = limit_of(connection);
    TAILQ_INSERT_TAIL(&io->by_state[CONNECTION_IDLE], connection, next);
    io->count++;
    if (read_all(connection))
        watch(connection, 0);
}

void connection_stop(struct connection *connection)
{
    if (!connection->last && hand_over(connection)) {
        close_connection(connection);
        return;
    }
    connection->until = limit_of(connection);
    watch(connection, 0);
}

void connection_event(struct connection *connection, uint32_t events)
{
    const uint32_t ended = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

    connection->ended |= (events & ended) != 0;
    if (connection->state == CONNECTION_WRITING && events & (EPOLLHUP | EPOLLERR)) {
        cut_writing(connection);
        return;
    }
    if (connection->state == CONNECTION_WRITING && events & EPOLLOUT && !write_some(connection))
        return;
    if (connection->state == CONNECTION_WAITING && events & ended &&
        parking_abandon(connection->io->app, &connection->waiter))
        close_connection(connection);
    else
        read_all(connection);
}

void connection_answered(struct connection *connection)
{
    struct reply *reply = connection->waiter.reply;
    bool open;

    connection->waiter.reply = NULL;
    if (connection->aborted) {
        open = end_aborted(connection);
    } else if (reply) {
        question_free(connection->waiter.question);
        connection->waiter.question = NULL;
        end_reading(connection);
        open = respond(connection, reply);
    } else {
        open = run(connection);
    }
    reply_release(reply);
    if (open && connection->pending && is_reading(connection))
        read_all(connection);
}

void connection_timed_out(struct connection *connection)
{
    unsigned unread = 0;

    switch (connection->state) {
    case CONNECTION_IDLE:
        close_connection(connection);
        break;
    case CONNECTION_READING:
        connection->cut_off = connection->io->stopping;
        break_off(connection);
        break;
    default:
        /* A UNIX socket tells that it has room only when three quarters of it are empty. */
        unread = unread_by_peer(connection);
        if (unread >= connection->unread || connection->io->stopping) {
            cut_writing(connection);
            break;
        }
        connection->unread = unread;
        enter(connection, CONNECTION_WRITING);
    }
}

void connection_deliver(struct waiter *waiter, struct reply *reply)
{
    waiter->reply = reply_hold(reply);
    connection_resume(waiter);
}

void connection_resume(struct waiter *waiter)
{
    io_answer(((struct connection *)waiter)->io, waiter);
}

bool connection_has_gone(const struct waiter *waiter)
{
    struct pollfd peer = {.fd = ((const struct connection *)waiter)->fd, .events = POLLRDHUP};

    return poll(&peer, 1, 0) > 0 && peer.revents & (POLLHUP | POLLRDHUP | POLLERR);
}
