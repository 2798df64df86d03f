/* SPDX-License-Identifier: MIT */
/* The writer lane: answers too large for a socket's buffer wait here for threads of their own, so
 * that a slow reader holds no database connection. */
#ifndef API_LANE_H
#define API_LANE_H

#include "api/board.h"
#include "api/reply.h"

struct lane;

/* Writes one answer, however long that takes. */
typedef void lane_write_fn(struct waiter *waiter, struct reply *reply);

struct lane *lane_new(lane_write_fn *write);
void lane_free(struct lane *lane);

/* Queues an answer; holds a reference to the reply until it is written. */
void lane_put(struct lane *lane, struct waiter *waiter, struct reply *reply);

/* Writes answers until the lane is closed and empty. */
void lane_run(void *lane);
void lane_close(struct lane *lane);

#endif
