/* SPDX-License-Identifier: MIT */
/* The poller: a thread that looks in the database every 100 ms for what other workers have
 * committed: signals and ended sessions that requests of this worker wait for. One query serves
 * all waiters, so the cost does not grow with their number. It also expires old signals, once a
 * minute. */
#ifndef API_POLLER_H
#define API_POLLER_H

#include "api/scheduler.h"

/* Runs until the coalescer is stopped. */
void poller_run(struct scheduler *scheduler);

#endif
