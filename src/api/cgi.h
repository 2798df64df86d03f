/* SPDX-License-Identifier: MIT */
/* The CGI gateway: one request, one process, no threads. It runs the same handlers as a FastCGI
 * worker, for hosts that offer nothing else. A process is too expensive to wait in, so long polls
 * and `Prefer: wait` are answered at once. libfcgi's own CGI mode works through standard input and
 * output only, not with FCGX_Accept_r, so it is not used. */
#ifndef API_CGI_H
#define API_CGI_H

#include "api/auth.h"

/* Answers the request in the environment and on standard input. Returns the exit status. */
int cgi_run(const struct settings *settings, struct auth *auth);

#endif
