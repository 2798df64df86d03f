/* SPDX-License-Identifier: MIT */
/* The state that all threads of one process share, and the FastCGI worker: the threads that serve
 * one listening socket.
 *
 * A worker has three kinds of threads, so that a slow part never holds up another. Io threads run
 * event loops and never block. Database workers own one connection each, and block in it.
 * Background threads (poller, auditor, sampler, main) do what no request waits for. Requests travel
 * between them as `struct waiter`, with one owner at a time. */
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
    struct coalescer *coalescer;            /* this and all below: NULL or 0 in CGI mode */
    struct waitlist *waitlists[WAIT_COUNT]; /* WAIT_NOTHING has none */
    atomic_size_t connections;              /* open ones, of all loops */
    size_t connections_max;                 /* from the limit of file descriptors */

    struct thread_group io, database, audit; /* thread groups, in the order in which they stop */
    struct io **loops;                       /* one per io thread */
    size_t loop_count;
    atomic_uint db_workers;  /* started so far */
    pthread_barrier_t tried; /* passed once each has tried to connect */
};

/* Serves `listener` until SIGTERM, SIGINT, SIGQUIT or SIGUSR1, then answers the requests it has
 * accepted. SIGHUP rereads the keys. The caller sets settings and auth. Returns the exit status. */
int worker_run(struct worker *worker, int listener);

#endif
