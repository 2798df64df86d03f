/* SPDX-License-Identifier: MIT */
/* An io thread: an event loop (epoll) with the listener, which all loops share, and the connections
 * that it has accepted. It never waits for a peer or for the database. What other threads have for
 * one of its connections they leave in `answered`, and wake it. */
#ifndef API_IO_H
#define API_IO_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/connection.h"
#include "api/worker.h"

enum { IO_GRACE_MS = 1000 }; /* for requests that are on their way when the worker stops */

struct io {
    struct worker *worker;
    int epoll, wakeup, listener; /* -1: accepts no more */
    int64_t now;                 /* monotonic ms, of this turn of the loop */
    int64_t accept_again;        /* after it ran out of descriptors; 0: it has not */
    struct connections by_state[CONNECTION_STATES]; /* each in the order of their time limits */
    size_t count;                                   /* of connections */
    bool stopping;
    int64_t stop_reading; /* monotonic ms: requests are cut off then, when `stopping` */

    pthread_mutex_t lock; /* of what other threads touch */
    struct waiters answered;
    bool woken, told_to_stop;
};

/* Takes connections of `listener` (-1: none) once it runs. */
struct io *io_new(struct worker *worker, int listener);

/* NULL is fine. Its connections must be gone. */
void io_free(struct io *io);

/* Runs until it was told to stop and the last connection is closed. */
void io_run(void *io);

/* One turn of the loop, which waits for events for at most `ms` (-1: until there are any). */
void io_turn(struct io *io, int ms);

/* From any thread: no more connections are accepted, and each is closed after its answer. */
void io_stop(struct io *io);

/* From any thread: hands one of its connections what became of its request. */
void io_respond(struct io *io, struct waiter *waiter);

#endif
