/* SPDX-License-Identifier: MIT */
/* An io thread: an event loop (epoll) with the shared listener and the connections that it
 * accepted. It never blocks on a peer or on the database. Other threads hand results back by
 * appending to `delivered` and waking the loop.
 *
 * Each connection belongs to one loop for life, so connections need no locks. Several loops listen
 * on one socket, and each accepts one connection a turn, so the kernel spreads the load. */
#ifndef API_IO_H
#define API_IO_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/connection.h"
#include "api/worker.h"

enum { IO_GRACE_MS = 1000 }; /* for requests still arriving when the worker stops */

struct io {
    struct worker *worker;
    int epoll, wakeup, listener; /* listener -1: accepts nothing */
    int64_t now;                 /* monotonic ms, read once a turn */
    int64_t accept_again;        /* monotonic ms, after running out of descriptors; 0: not paused */
    struct connections by_state[CONNECTION_STATES]; /* each sorted by `until` */
    size_t count;                                   /* open connections */
    bool stopping;
    int64_t stop_reading; /* monotonic ms: while `stopping`, requests that still arrive then are cut
                             off */

    pthread_mutex_t lock; /* guards the members below */
    struct waiters delivered;
    bool woken, stop_requested;
};

/* A loop for `listener` (-1: none); it accepts once it runs. */
struct io *io_new(struct worker *worker, int listener);

/* NULL is fine. All its connections must be closed. */
void io_free(struct io *io);

/* Runs until io_stop and the close of the last connection. */
void io_run(void *io);

/* Runs one turn of the loop; waits at most `ms` for events (-1: without limit). */
void io_turn(struct io *io, int ms);

/* From any thread: stops accepting, and closes each connection after its response. */
void io_stop(struct io *io);

/* From any thread: hands a waiter back to its connection, with the outcome of its call. */
void io_respond(struct io *io, struct waiter *waiter);

#endif
