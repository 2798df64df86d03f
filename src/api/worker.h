/* SPDX-License-Identifier: MIT */
/* The FastCGI worker: the threads of one process that serve one listening socket.
 *
 * A worker has three kinds of threads, so that a slow part never holds up another. Io threads run
 * event loops and never block. Database workers own one connection each, and block in it.
 * Background threads (poller, auditor, sampler, main) do what no request waits for. Requests travel
 * between them as `struct waiter`, with one owner at a time.
 *
 * They stop in the order in which requests pass them, so that each accepted request is answered.
 * Every module gets only what it needs (settings, keys, scheduler); none knows the worker. */
#ifndef API_WORKER_H
#define API_WORKER_H

#include "api/auth.h"

/* Serves `listener` until SIGTERM, SIGINT, SIGQUIT or SIGUSR1, then answers the requests it has
 * accepted. SIGHUP rereads the keys. Returns the exit status. */
int worker_run(const struct settings *settings, struct auth *auth, int listener);

#endif
