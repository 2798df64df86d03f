/* SPDX-License-Identifier: MIT */
/* FastCGI: a worker that serves a listening socket. */
#ifndef API_GATEWAY_FCGI_H
#define API_GATEWAY_FCGI_H

#include "api/app.h"

/* Serves `listener` until SIGTERM, SIGINT, SIGQUIT or SIGUSR1, then answers what it has accepted.
 * SIGHUP rereads the keys. Returns the exit status. */
int gateway_fcgi_run(struct app *app, int listener);

#endif
