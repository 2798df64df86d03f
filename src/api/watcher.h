/* SPDX-License-Identifier: MIT */
/* The thread that looks what has happened in the database for those who wait: at signals and
 * sessions that other workers have written. It also lets old signals expire. */
#ifndef API_WATCHER_H
#define API_WATCHER_H

/* Runs until the board of `worker` is stopped. */
void watcher_run(void *worker);

#endif
