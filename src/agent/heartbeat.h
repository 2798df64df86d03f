/* SPDX-License-Identifier: MIT */
/* Sends heartbeats and obeys the responses. Part of the sender's thread.
 *
 * A heartbeat says that the machine lives, how busy it is, and which sessions it holds. The
 * response says which of these must end, which ones vsay has lost, and when the next heartbeat is
 * due. It repeats a termination until the session has ended, so the agent needs no memory of
 * orders: the long poll (poller.h) is only faster. */
#ifndef AGENT_HEARTBEAT_H
#define AGENT_HEARTBEAT_H

#include "agent/agent.h"
#include "agent/http.h"
#include "agent/session_open.h"

struct heartbeat_sender {
    struct agent *agent;
    struct http *http;
    struct session_opener *opener;
    int64_t interval;             /* ms until the next heartbeat, as vsay says */
    uint64_t cpu_busy, cpu_total; /* CPU time up to the last reading */
};

/* All arguments are borrowed. */
struct heartbeat_sender heartbeat_sender(struct agent *agent, struct http *http,
                                         struct session_opener *opener);

/* Sends one heartbeat, and acts on the response if vsay accepts it. Its figures are the CPU's load
 * since the last heartbeat (the first time: since boot), the memory that the kernel could not give
 * back, and the use of the file system `agent.disk` as df computes it. A figure that cannot be read
 * is 0, and logged. */
enum http_outcome heartbeat_send(struct heartbeat_sender *sender);

#endif
