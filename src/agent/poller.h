/* SPDX-License-Identifier: MIT */
/* The thread that asks vsay which sessions must end, by long polls. */
#ifndef AGENT_POLLER_H
#define AGENT_POLLER_H

struct agent;
struct json_object;

/* `agent` is a struct agent; for pthread_create. Runs until the poller's EVENT_STOP. */
void *poller_run(void *agent);

/* Condemns the sessions that an answer of GET /api/agent/signals names; returns how many. */
unsigned poller_obey(const struct agent *agent, const struct json_object *answer);

#endif
