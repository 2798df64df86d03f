/* SPDX-License-Identifier: MIT */
/* Database workers: threads that each own one database connection, take batches from the coalescer,
 * run their handlers, and pass on the results. The client library blocks, so a thread waits for
 * each statement; there are as many as statements should run at a time. Of several, the first takes
 * no batch that writes, so reads go on while a backup locks the tables (FLUSH TABLES WITH READ
 * LOCK). A worker that loses its connection tries to connect every 250 ms. */
#ifndef API_DB_WORKER_H
#define API_DB_WORKER_H

#include "api/scheduler.h"

/* Runs a database worker until the coalescer is stopped and empty. With `reads_only` it takes no
 * batch that writes. Passes the barrier `tried` after its first attempt to connect. */
void db_worker_run(struct scheduler *scheduler, bool reads_only, pthread_barrier_t *tried);

#endif
