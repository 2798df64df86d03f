/* SPDX-License-Identifier: MIT */
/* Moves parked requests between their queues: from the connection to the coalescer, from there back
 * to the connection or on to a waitlist, and from the waitlist to the coalescer again. The queues
 * know nothing of calls, and calls nothing of queues; only this module knows both. A waiter's
 * `call` is a struct call here.
 *
 * A request that is woken always runs again through the coalescer, so the database stays the only
 * source of truth. Whoever takes a waiter out of a queue owns it, and must answer it or put it into
 * another one. */
#ifndef API_SCHEDULER_H
#define API_SCHEDULER_H

#include <pthread.h>

#include "api/call.h"
#include "api/coalescer.h"

/* The queues of a worker, which all its threads share. */
struct scheduler {
    const struct settings *settings;
    struct coalescer *coalescer;
    struct waitlist *waitlists[WAIT_COUNT]; /* WAIT_NOTHING has none */
};

/* `settings` is borrowed. `connections_max` limits the waitlists. */
void scheduler_open(struct scheduler *scheduler, const struct settings *settings,
                    size_t connections_max);
void scheduler_close(struct scheduler *scheduler);

/* Parks a waiter with the coalescer. Errors as coalescer_park; then the waiter stays the
 * caller's. */
enum err scheduler_enqueue(struct scheduler *scheduler, struct waiter *waiter);

/* Answers all of `waiters` with an error, and empties the list. */
void scheduler_refuse(struct waiters *waiters, enum err code);

/* Acts on the outcome of each call of a batch: delivers it, or puts it on a waitlist. Empties the
 * batch. */
void scheduler_settle(struct scheduler *scheduler, struct batch *batch);

/* Runs the calls again that wait for `key`. */
void scheduler_wake(struct scheduler *scheduler, enum wait_for what, const char *key);

/* The client of a waiter has gone. True when it was on a waitlist, and is now the caller's; else
 * its response is on the way. */
bool scheduler_abandon(struct scheduler *scheduler, struct waiter *waiter);

/* Answers requests past their deadline with an error, and those whose wait is over. */
void scheduler_expire(struct scheduler *scheduler);

/* Ends all waits: answers the requests on waitlists, and any later ones at once. */
void scheduler_end_waits(struct scheduler *scheduler);

/* --- inboxes ---------------------------------------------------------------------------------- */

/* The inbox of an io thread: waiters that other threads hand back, with the outcomes of their
 * calls. */
struct inbox {
    int wakeup; /* eventfd, for epoll with EPOLLET: an event means that there may be waiters */
    pthread_mutex_t lock; /* guards the members below */
    struct waiters waiters;
    bool woken;
};

void inbox_open(struct inbox *inbox);
void inbox_close(struct inbox *inbox);

/* From any thread: makes `wakeup` readable. */
void inbox_wake(struct inbox *inbox);

/* Moves all waiters to *out. */
void inbox_take(struct inbox *inbox, struct waiters *out);

#endif
