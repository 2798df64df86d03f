/* SPDX-License-Identifier: MIT */
/* What all threads of one process share, and a FastCGI worker: the threads that serve a listening
 * socket. */
#ifndef API_WORKER_H
#define API_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/auth.h"
#include "api/thread_group.h"
#include "api/waitlist.h"
#include "common/settings.h"

struct io;

struct worker {
    const struct settings *settings;
    struct auth *auth;
    struct coalescer *coalescer;            /* this and the rest: NULL or 0 in CGI mode */
    struct waitlist *waitlists[WAIT_COUNT]; /* none for WAIT_NOTHING */
    atomic_size_t connections;              /* that are open */
    size_t connections_max;                 /* before descriptors run short */

    struct thread_group io, database, audit; /* threads, in the order in which they stop */
    struct io **loops;                       /* of the io threads */
    size_t loop_count;
    atomic_uint db_workers;  /* that have started */
    pthread_barrier_t tried; /* reached when each of them has tried to connect once */
};

/* Serves `listener` until SIGTERM, SIGINT, SIGQUIT or SIGUSR1, then answers what it has accepted.
 * SIGHUP rereads the keys. Settings and auth are set. Returns the exit status. */
int worker_run(struct worker *worker, int listener);

#endif
