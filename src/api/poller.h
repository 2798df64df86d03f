/* SPDX-License-Identifier: MIT */
/* The poller: a thread that looks in the database every 100 ms for what other workers have
 * committed: signals and ended sessions that requests of this worker wait for. One query serves all
 * waiters, so the cost does not grow with their number. It also expires old signals, once a minute.
 *
 * It keeps no position of what it has seen, since transactions do not commit in the order of their
 * times. It looks at signals of the last 90 s, and a poll waits for at most 55 s: what was due
 * before a poll began was delivered to it. */
#ifndef API_POLLER_H
#define API_POLLER_H

#include "api/scheduler.h"

/* Runs until the coalescer is stopped. */
void poller_run(struct scheduler *scheduler);

/* The sampler: records each tenant's fleet once in each slot of usage history (see store/usage.h),
 * unless another worker did. A thread of its own: it reads all machines, and the poller must not
 * wait for that. Runs until the coalescer is stopped. */
void sampler_run(struct scheduler *scheduler);

#endif
