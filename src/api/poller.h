/* SPDX-License-Identifier: MIT */
/* The thread that looks what has happened in the database for those who wait: at signals and
 * sessions that other workers have written. It also lets old signals expire. */
#ifndef API_POLLER_H
#define API_POLLER_H

/* Runs until the coalescer of `worker` is stopped. */
void poller_run(void *worker);

#endif
