/* SPDX-License-Identifier: MIT */
/* The UNIX socket that vsay-shells connect to, and the main loop around it. */
#ifndef AGENT_SERVER_H
#define AGENT_SERVER_H

#include "agent/agent.h"

struct server;

/* Listens on the configured socket, for everybody. */
enum err server_open(struct agent *agent, struct server **out, struct error *e);
void server_close(struct server *server);

/* Serves until SIGTERM or SIGINT; both, and SIGHUP, are blocked in all threads. */
enum err server_run(struct server *server, struct error *e);

#endif
