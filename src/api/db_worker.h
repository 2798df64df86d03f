/* SPDX-License-Identifier: MIT */
/* The threads that ask the database. The first one only reads, if there are others. */
#ifndef API_DB_WORKER_H
#define API_DB_WORKER_H

/* Runs one database worker of a struct worker until the coalescer is stopped and empty. */
void db_worker_run(void *worker);

#endif
