/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/io.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "api/listen.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"

enum {
    EVENTS_MAX = 64,
    ACCEPT_PAUSE_MS = 100,
    REFUSED_MAX = 48 /* connections over the limit, accepted only to be refused with 503 */
};

/* EPOLLEXCLUSIVE: of all loops and processes that wait on the listener, the kernel wakes one. */
static void watch_listener(struct io *io)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &io->listener};

    epoll_ctl(io->epoll, EPOLL_CTL_ADD, io->listener, &event);
}

/* The inbox is edge-triggered and never read: each write to an eventfd is a new edge. So a wake-up
 * costs the loop no system call. */
struct io *io_new(struct io_shared *shared, int listener)
{
    struct io *io = xcalloc(1, sizeof *io);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = io};

    io->shared = shared;
    io->listener = listener;
    io->epoll = epoll_create1(EPOLL_CLOEXEC);
    io->now = clock_ms();
    inbox_open(&io->inbox);
    for (int state = 0; state < CONNECTION_STATES; state++)
        TAILQ_INIT(&io->by_state[state]);
    epoll_ctl(io->epoll, EPOLL_CTL_ADD, io->inbox.wakeup, &event);
    if (listener >= 0)
        watch_listener(io);
    return io;
}

void io_free(struct io *io)
{
    if (!io)
        return;
    close(io->epoll);
    inbox_close(&io->inbox);
    free(io);
}

void io_stop(struct io *io)
{
    atomic_store(&io->stop_requested, true);
    inbox_wake(&io->inbox);
}

/* --- the event loop --------------------------------------------------------------------------- */

/* Accepts one connection a turn, so that the loops share them. Out of descriptors, it leaves the
 * listener alone for a while: epoll would report it again at once, and the loop would spin. */
static void accept_one(struct io *io)
{
    bool exhausted =
        atomic_load(&io->shared->connections) >= io->shared->connections_max + REFUSED_MAX;
    int fd = exhausted ? -1 : listen_accept(io->listener, &exhausted);

    if (exhausted) { /* the rest stay in the kernel's queue for now */
        epoll_ctl(io->epoll, EPOLL_CTL_DEL, io->listener, NULL);
        io->accept_again = io->now + ACCEPT_PAUSE_MS;
    }
    if (fd >= 0)
        connection_open(io, fd);
}

/* Requests that have begun to arrive get a second more. Idle connections are handed to another
 * worker now, the others after their responses. */
static void start_stopping(struct io *io)
{
    struct connection *connection = NULL, *later = NULL;

    io->stopping = true;
    io->stop_reading = io->now + IO_GRACE_MS;
    if (io->listener >= 0)
        epoll_ctl(io->epoll, EPOLL_CTL_DEL, io->listener, NULL);
    TAILQ_FOREACH (connection, &io->by_state[CONNECTION_READING], next)
        connection->until = io->stop_reading;
    for (connection = TAILQ_FIRST(&io->by_state[CONNECTION_IDLE]); connection; connection = later) {
        later = TAILQ_NEXT(connection, next);
        connection_stop(connection);
    }
}

/* Handles what other threads have sent. The stop is looked at after the inbox is emptied: a wake-up
 * that comes in between causes another turn. */
static void take_delivered(struct io *io)
{
    struct waiters delivered;
    struct waiter *waiter = NULL;

    inbox_take(&io->inbox, &delivered);
    if (atomic_load(&io->stop_requested) && !io->stopping)
        start_stopping(io);
    while ((waiter = TAILQ_FIRST(&delivered))) {
        TAILQ_REMOVE(&delivered, waiter, next);
        connection_respond((struct connection *)waiter);
    }
}

/* Each list is in the order of its times, since all connections of a state have the same limit. So
 * only those that are due are visited. */
static void expire(struct io *io)
{
    struct connection *connection = NULL;

    for (int state = 0; state < CONNECTION_STATES; state++) {
        while ((connection = TAILQ_FIRST(&io->by_state[state])) && connection->until <= io->now)
            connection_timed_out(connection);
    }
    if (io->accept_again && io->now >= io->accept_again && !io->stopping) {
        io->accept_again = 0;
        watch_listener(io);
    }
}

static int ms_until_next_timeout(const struct io *io)
{
    int64_t next = io->accept_again ? io->accept_again : INT64_MAX;

    for (int state = 0; state < CONNECTION_STATES; state++) {
        const struct connection *first = TAILQ_FIRST(&io->by_state[state]);
        if (first && first->until < next)
            next = first->until;
    }
    if (next == INT64_MAX)
        return -1;
    return next > io->now ? (int)(next - io->now) : 0;
}

/* Connections come before the inbox: a client that has gone is noticed before its response is
 * written. */
void io_turn(struct io *io, int ms)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(io->epoll, events, EVENTS_MAX, ms);

    io->now = clock_ms();
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &io->listener)
            accept_one(io);
        else if (events[i].data.ptr != io)
            connection_event(events[i].data.ptr, events[i].events);
    }
    take_delivered(io);
    expire(io);
}

void io_run(struct io *io)
{
    while (!io->stopping || io->count)
        io_turn(io, ms_until_next_timeout(io));
}
