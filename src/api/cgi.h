/* SPDX-License-Identifier: MIT */
/* Plain CGI: one request, one process, no thread. */
#ifndef API_CGI_H
#define API_CGI_H

#include "api/worker.h"

/* Answers the request in the environment and on standard input. Returns the exit status. */
int cgi_run(struct worker *worker);

#endif
