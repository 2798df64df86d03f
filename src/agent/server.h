/* SPDX-License-Identifier: MIT */
/* The UNIX socket that vsay-shells connect to, and the event loop of the main thread.
 *
 * In each turn the loop reads packets from all ready connections, syncs the spool once, and only
 * then sends the replies: an acknowledged report survives a crash, and one fsync serves all
 * connections. When the spool cannot be written, no reply is sent and the connections are closed;
 * their vsay-shells come back and repeat what was not acknowledged. No user may hold up the others:
 * a turn ends after 100 ms, and a user may take half of the connections that are left. */
#ifndef AGENT_SERVER_H
#define AGENT_SERVER_H

#include "agent/agent.h"

struct server;

/* Listens on the configured socket, which every user may connect to. */
enum err server_open(struct agent *agent, struct server **out, struct error *e);
void server_close(struct server *server);

/* Runs the event loop until SIGTERM or SIGINT. SIGHUP makes the other threads retry at once. The
 * caller has blocked all three signals in all threads. */
enum err server_run(struct server *server, struct error *e);

#endif
