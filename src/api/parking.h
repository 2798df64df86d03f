/* SPDX-License-Identifier: MIT */
/* The ways of a parked request: to the board, from there to its connection or to the watch, and
 * from the watch to the board again. A waiter's question is a struct question. */
#ifndef API_PARKING_H
#define API_PARKING_H

#include "api/dispatch.h"

/* Parks a waiter on the board. Errors as board_park: then it stays the caller's. */
enum err parking_ask(struct worker *worker, struct waiter *waiter);

/* Answers all of `waiters` with an error. */
void parking_refuse(struct waiters *waiters, enum err code);

/* Ends a round by the outcome of each question: it is delivered, or waits to be woken. The waiters
 * leave the round. */
void parking_settle(struct worker *worker, struct round *round);

/* Asks those again who wait for this. */
void parking_wake(struct worker *worker, enum wait_for what, const char *key);

/* The client of a waiter has gone. True when it was on the watch, and is the caller's now; else an
 * answer is on its way. */
bool parking_abandon(struct worker *worker, struct waiter *waiter);

/* Answers those who have waited for long enough; all of them, and any who come later at once, when
 * `closing`. */
void parking_expire(struct worker *worker, bool closing);

#endif
