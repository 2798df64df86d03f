/* SPDX-License-Identifier: MIT */
/* The thread that asks vsay, by long polling, which sessions must end. It has a connection of its
 * own, so that a termination never waits behind a full spool. */
#ifndef AGENT_POLLER_H
#define AGENT_POLLER_H

struct agent;
struct json_object;

/* The thread's function; `agent` is a struct agent. Runs until EVENT_STOP is set on
 * agent->poller. */
void *poller_run(void *agent);

/* Requests the end of all sessions that an answer of GET /api/agent/signals names. Returns how
 * many it names. */
unsigned poller_obey(const struct agent *agent, const struct json_object *answer);

#endif
