/* SPDX-License-Identifier: MIT */
/* The ways of a parked request: to the coalescer, from there to its connection or to the waitlist,
 * and from the waitlist to the coalescer again. A waiter's call is a struct call. */
#ifndef API_SCHEDULER_H
#define API_SCHEDULER_H

#include "api/dispatch.h"

/* Parks a waiter on the coalescer. Errors as coalescer_park: then it stays the caller's. */
enum err scheduler_enqueue(struct worker *worker, struct waiter *waiter);

/* Answers all of `waiters` with an error. */
void scheduler_refuse(struct waiters *waiters, enum err code);

/* Ends a batch by the outcome of each call: it is delivered, or waits to be woken. The waiters
 * leave the batch. */
void scheduler_settle(struct worker *worker, struct batch *batch);

/* Asks those again who wait for this. */
void scheduler_wake(struct worker *worker, enum wait_for what, const char *key);

/* The client of a waiter has gone. True when it was on the waitlist, and is the caller's now; else
 * an answer is on its way. */
bool scheduler_abandon(struct worker *worker, struct waiter *waiter);

/* Answers those who have waited for long enough; all of them, and any who come later at once, when
 * `closing`. */
void scheduler_expire(struct worker *worker, bool closing);

#endif
