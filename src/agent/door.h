/* SPDX-License-Identifier: MIT */
/* The UNIX socket that vsay-shells connect to, and the main loop around it. */
#ifndef AGENT_DOOR_H
#define AGENT_DOOR_H

#include "agent/agent.h"

struct door;

/* Listens on the configured socket, for everybody. */
enum err door_open(struct agent *agent, struct door **out, struct error *e);
void door_close(struct door *door);

/* Serves until SIGTERM or SIGINT; both, and SIGHUP, are blocked in all threads. */
enum err door_run(struct door *door, struct error *e);

#endif
