/* SPDX-License-Identifier: MIT */
/* Moves parked requests between their queues: from the connection to the coalescer, from there back
 * to the connection or on to a waitlist, and from the waitlist to the coalescer again.
 *
 * A request that is woken always runs again through the coalescer, so the database stays the only
 * source of truth. A waiter's `call` is a struct call here. */
#ifndef API_SCHEDULER_H
#define API_SCHEDULER_H

#include "api/dispatch.h"

/* Parks a waiter with the coalescer. Errors as coalescer_park; then the waiter stays the
 * caller's. */
enum err scheduler_enqueue(struct worker *worker, struct waiter *waiter);

/* Answers all of `waiters` with an error, and empties the list. */
void scheduler_refuse(struct waiters *waiters, enum err code);

/* Acts on the outcome of each call of a batch: delivers it, or puts it on a waitlist. Empties the
 * batch. */
void scheduler_settle(struct worker *worker, struct batch *batch);

/* Runs the calls again that wait for `key`. */
void scheduler_wake(struct worker *worker, enum wait_for what, const char *key);

/* The client of a waiter has gone. True when it was on a waitlist, and is now the caller's; else
 * its response is on the way. */
bool scheduler_abandon(struct worker *worker, struct waiter *waiter);

/* Answers waiters whose wait is over. With `closing`, answers all, and any later ones at once. */
void scheduler_expire(struct worker *worker, bool closing);

#endif
