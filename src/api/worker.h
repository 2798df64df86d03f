/* SPDX-License-Identifier: MIT */
/* A FastCGI worker: the threads of one process that serve a listening socket. */
#ifndef API_WORKER_H
#define API_WORKER_H

#include "api/app.h"

/* Serves `listener` until SIGTERM, SIGINT, SIGQUIT or SIGUSR1, then answers what it has accepted.
 * SIGHUP rereads the keys. Returns the exit status. */
int worker_run(struct app *app, int listener);

#endif
