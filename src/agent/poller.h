/* SPDX-License-Identifier: MIT */
/* The thread that asks vsay, by long polling (RFC 6202), which sessions must end. It has a
 * connection of its own, so that a termination never waits behind a full spool.
 *
 * This is only the fast way. vsay repeats a termination in the response to each heartbeat, so
 * nothing depends on a signal: it may come twice, late, or never. */
#ifndef AGENT_POLLER_H
#define AGENT_POLLER_H

/* The thread's function; `agent` is a struct agent. Runs until EVENT_STOP is set on
 * agent->poller. */
void *poller_run(void *agent);

#endif
