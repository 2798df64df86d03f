/* SPDX-License-Identifier: MIT */
/* A lane: jobs that an acceptor must not do itself wait here for threads of their own. */
#ifndef API_LANE_H
#define API_LANE_H

#include <stdbool.h>

struct lane;

/* Does one job, however long that takes. */
typedef void lane_work_fn(void *job);

/* At most `capacity` jobs wait at a time. */
struct lane *lane_new(lane_work_fn *work, unsigned capacity);
void lane_free(struct lane *lane);

/* Queues a job; false when the lane is full or closed. */
bool lane_put(struct lane *lane, void *job);

/* Does jobs until the lane is closed and empty. */
void lane_run(void *lane);
void lane_close(struct lane *lane);

#endif
