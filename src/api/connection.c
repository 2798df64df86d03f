/* SPDX-License-Identifier: MIT */
/* The states of a connection, and the way of a request through them. connection_read.c has the
 * other half: bytes that come in.
 *
 * A function that may close the connection returns false once it did. The struct is freed then, so
 * a caller must return at once, and pass the false on. */
#include "config.h"
#include "api/connection.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/dispatch.h"
#include "api/listen.h"
#include "base/log.h"
#include "base/xalloc.h"

enum { IDLE_MS = 10 * 60 * 1000 /* web servers close idle connections much sooner */ };

/* --- states ----------------------------------------------------------------------------------- */

/* A connection that waits for its call has no limit here: the coalescer and the waitlists expire
 * their waiters, and taking one back from them must have one place. */
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
        return io->now + io->shared->settings->api.io_timeout * 1000;
    default:
        return INT64_MAX;
    }
}

void connection_enter(struct connection *connection, enum connection_state state)
{
    struct connections *lists = connection->io->by_state;

    TAILQ_REMOVE(&lists[connection->state], connection, next);
    TAILQ_INSERT_TAIL(&lists[state], connection, next);
    connection->state = state;
    connection->until = limit_of(connection);
}

/* Registers with epoll for input, for the peer's close, and for EPOLLOUT if `events` has it. The
 * events are edge-triggered, so a connection costs a system call when its state changes, and not
 * one each turn. */
static void set_events(struct connection *connection, uint32_t events)
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

bool connection_close(struct connection *connection)
{
    struct io *io = connection->io;

    TAILQ_REMOVE(&io->by_state[connection->state], connection, next);
    io->count--;
    atomic_fetch_sub(&io->shared->connections, 1);
    call_free(connection->waiter.call);
    incoming_close(&connection->incoming);
    fcgi_free(connection->fcgi);
    if (connection->fd >= 0)
        close(connection->fd);
    free(connection->head);
    free(connection);
    return false;
}

/* Removes it from epoll first: the other worker's descriptor shares the open file, so epoll would
 * go on reporting its events here. */
static bool hand_over(struct connection *connection)
{
    if (connection->events)
        epoll_ctl(connection->io->epoll, EPOLL_CTL_DEL, connection->fd, NULL);
    connection->events = 0;
    return listen_hand_over(connection->io->listener, connection->fd);
}

/* A worker that stops hands the connection to another one, between two requests: a web server that
 * holds it as idle may send the next request at any moment. */
bool connection_end_request(struct connection *connection)
{
    if (connection->fcgi)
        fcgi_finish(connection->fcgi);
    call_free(connection->waiter.call);
    free(connection->head);
    connection->waiter.call = NULL;
    connection->head = NULL;
    connection->aborted = connection->overloaded = false;
    bool stays = connection->keep_alive && !connection->last_request;
    if (stays && connection->io->stopping)
        hand_over(connection);
    if (!stays || connection->io->stopping)
        return connection_close(connection);
    fcgi_scan_next(&connection->scan);
    connection_enter(connection, CONNECTION_IDLE);
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Bytes in the socket that the peer has not read yet. */
static unsigned unread_by_peer(const struct connection *connection)
{
    int bytes = 0;

    ioctl(connection->fd, SIOCOUTQ, &bytes);
    return (unsigned)bytes;
}

static bool abort_writing(struct connection *connection)
{
    log_event(LEVEL_INFO, "write",
              "id=%s detail=\"the web server has closed the connection, or does not read\"",
              connection->request.id);
    return connection_close(connection);
}

/* Counts and logs the request only once all of its response is written. */
static bool write_some(struct connection *connection)
{
    const struct call *call = connection->waiter.call;

    switch (outgoing_send(&connection->outgoing, connection->fd)) {
    case PROGRESS_COMPLETE:
        call_log(call, &connection->request, connection->io->shared->settings);
        set_events(connection, 0);
        return connection_end_request(connection);
    case PROGRESS_BROKEN:
        return abort_writing(connection);
    default:
        connection->unread = unread_by_peer(connection);
        set_events(connection, EPOLLOUT);
        connection_enter(connection, CONNECTION_WRITING);
        return true;
    }
}

/* libfcgi blocks on a slow reader, so it only encodes a response that fits into an empty socket.
 * Others are sent by outgoing_send, as the socket takes them. */
static bool respond(struct connection *connection)
{
    const struct response *response = ((struct call *)connection->waiter.call)->response;
    char head[RESPONSE_HEAD_MAX];
    size_t head_length =
        response_head(response, &connection->request, connection->io->shared->settings, head);
    size_t body_length = response_body_length(response, &connection->request);

    if (!connection->overloaded && head_length + body_length <= FCGI_ANSWER_MAX &&
        unread_by_peer(connection) == 0) {
        call_log(connection->waiter.call, &connection->request, connection->io->shared->settings);
        return fcgi_encode(connection->fcgi, connection->fd, head, head_length, response->body,
                           body_length)
                   ? connection_end_request(connection)
                   : connection_close(connection);
    }
    connection->head = xstrndup(head, head_length);
    connection->outgoing = (struct outgoing){.request_id = connection->scan.request_id,
                                             .head = connection->head,
                                             .head_length = head_length,
                                             .body = response->body,
                                             .body_length = body_length};
    return write_some(connection);
}

static bool respond_error(struct connection *connection, enum err err, const struct error *e)
{
    call_respond(connection->waiter.call, response_error(err, e));
    return respond(connection);
}

/* --- the request ------------------------------------------------------------------------------ */

static long read_body(void *context, char *buffer, size_t size)
{
    return fcgi_read(((struct connection *)context)->fcgi, buffer, size);
}

/* Usually the body has been read by now. It has not when only the agent of a large report was
 * looked up. */
void connection_end_reading(struct connection *connection)
{
    fcgi_end_reading(connection->fcgi);
    incoming_close(&connection->incoming);
}

/* Parks the request. From here until it is delivered, the waiter belongs to other threads: after
 * scheduler_enqueue has succeeded, nothing of it may be touched. */
static bool enqueue(struct connection *connection)
{
    struct call *call = connection->waiter.call;

    call->until = connection->io->now + call->wait * 1000;
    connection->waiter.inbox = &connection->io->inbox;
    connection->waiter.client = connection->fd;
    connection->waiter.client_gone = connection->peer_closed;
    connection_enter(connection, CONNECTION_WAITING);
    set_events(connection, 0);
    enum err err = scheduler_enqueue(connection->io->shared->scheduler, &connection->waiter);
    if (!err)
        return true;
    connection_end_reading(connection);
    call_refuse(call, err, NULL);
    return respond(connection);
}

/* Acts on the outcome of a dispatched request: responds, or parks it. */
static bool proceed(struct connection *connection)
{
    const struct call *call = connection->waiter.call;

    if (call->outcome != OUTCOME_CONTINUE) /* its body is read later */
        connection_end_reading(connection);
    if (call->outcome != OUTCOME_DONE)
        return enqueue(connection);
    return connection->interrupted ? respond_error(connection, ERR_STOPPING, NULL)
                                   : respond(connection);
}

/* Over the limit of descriptors a connection is still served once, with 503. Closed without a word,
 * it would become a 502 of the web server, and look like a crash. */
static bool run(struct connection *connection)
{
    const struct io_shared *shared = connection->io->shared;
    struct call *call = connection->waiter.call = call_new();
    struct error e = {0};
    enum err err = request_parse(&connection->request, fcgi_variables(connection->fcgi),
                                 shared->settings->api.prefix, read_body, connection, &e);

    if (connection->over_limit)
        err = error_set(&e, ERR_BUSY, "too many connections for the limit of file descriptors");
    if (err)
        call_respond(call, response_error(err, &e));
    else
        dispatch_request(shared->settings, shared->auth, &connection->request, call);
    return proceed(connection);
}

bool connection_serve(struct connection *connection, int fd)
{
    if (!connection->fcgi)
        connection->fcgi = fcgi_new();
    if (fcgi_decode(connection->fcgi, fd, &connection->keep_alive)) {
        connection->scan.request_id = (unsigned)fcgi_request_id(connection->fcgi);
        return run(connection);
    }
    /* libfcgi has closed what it read from */
    *(fd == connection->fd ? &connection->fd : &connection->incoming.file) = -1;
    log_event(LEVEL_WARNING, "request", "detail=\"libfcgi rejected the request\"");
    return connection_close(connection);
}

/* Answers a request whose bytes were dropped, with 503. Only its id is known. END_REQUEST with
 * FCGI_OVERLOADED would be the protocol's own way, but Apache makes an empty 200 of it, and
 * HAProxy hangs. */
static bool refuse_overloaded(struct connection *connection)
{
    char *nothing[] = {NULL};
    struct error e = {0};

    incoming_close(&connection->incoming);
    connection->overloaded = true;
    connection->keep_alive = connection->scan.keep_conn;
    connection->waiter.call = call_new();
    request_parse(&connection->request, nothing, "", read_body, connection, &e);
    error_set(&e, ERR_BUSY,
              "requests being received take too much memory, or no file descriptor is left");
    return respond_error(connection, ERR_BUSY, &e);
}

bool connection_serve_collected(struct connection *connection)
{
    int file = connection->overloaded ? -1 : incoming_open(&connection->incoming);

    return file >= 0 ? connection_serve(connection, file) : refuse_overloaded(connection);
}

/* --- events ----------------------------------------------------------------------------------- */

void connection_open(struct io *io, int fd)
{
    struct connection *connection = xcalloc(1, sizeof *connection);
    size_t others = atomic_fetch_add(&io->shared->connections, 1);

    connection->io = io;
    connection->fd = fd;
    connection->over_limit = connection->last_request = others >= io->shared->connections_max;
    connection->incoming.file = -1;
    connection->until = limit_of(connection);
    TAILQ_INSERT_TAIL(&io->by_state[CONNECTION_IDLE], connection, next);
    io->count++;
    if (connection_read(connection))
        set_events(connection, 0);
}

void connection_stop(struct connection *connection)
{
    if (!connection->last_request && hand_over(connection)) {
        connection_close(connection);
        return;
    }
    connection->until = limit_of(connection);
    set_events(connection, 0);
}

/* A client that has gone frees the place of its request at once, if it is on a waitlist. Otherwise
 * the request is with a db worker, and its response comes anyway. Input while a request waits may
 * be an abort or the next request. */
void connection_event(struct connection *connection, uint32_t events)
{
    const uint32_t ended = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

    connection->peer_closed |= (events & ended) != 0;
    if (connection->state == CONNECTION_WRITING && events & (EPOLLHUP | EPOLLERR)) {
        abort_writing(connection);
        return;
    }
    if (connection->state == CONNECTION_WRITING && events & EPOLLOUT && !write_some(connection))
        return;
    if (connection->state == CONNECTION_WAITING && events & ended &&
        scheduler_abandon(connection->io->shared->scheduler, &connection->waiter))
        connection_close(connection);
    else
        connection_read(connection);
}

/* Bytes that came in while the request waited have caused no event since then, so they are read
 * now. */
void connection_respond(struct connection *connection)
{
    struct call *call = connection->waiter.call;
    bool open;

    if (connection->aborted) {
        open = connection_end_aborted(connection);
    } else if (call->outcome == OUTCOME_CONTINUE) {
        dispatch_continue(&connection->request, call);
        open = proceed(connection);
    } else {
        connection_end_reading(connection);
        open = respond(connection);
    }
    if (open && connection->pending && connection_is_reading(connection))
        connection_read(connection);
}

void connection_timed_out(struct connection *connection)
{
    unsigned unread = 0;

    switch (connection->state) {
    case CONNECTION_IDLE:
        connection_close(connection);
        break;
    case CONNECTION_READING:
        connection->interrupted = connection->io->stopping;
        connection_break_off(connection);
        break;
    default:
        /* A UNIX socket reports room only when three quarters of it are free, so count the
         * bytes. */
        unread = unread_by_peer(connection);
        if (unread >= connection->unread || connection->io->stopping) {
            abort_writing(connection);
            break;
        }
        connection->unread = unread;
        connection_enter(connection, CONNECTION_WRITING);
    }
}
