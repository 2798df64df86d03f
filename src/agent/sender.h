/* SPDX-License-Identifier: MIT */
/* The thread that sends heartbeats and the spool to vsay, in order, over one connection. So a
 * heartbeat never overtakes an open report; it would list a session that vsay does not know yet.
 * And no end overtakes the commands before it.
 *
 * A record stays until vsay has accepted it, or until it was refused three times, each time after
 * another accepted heartbeat. The spool waits until a heartbeat was accepted: only then is it
 * certain that vsay itself answers, and not some proxy or another server. A batch that is refused
 * is halved until the record at fault is alone. */
#ifndef AGENT_SENDER_H
#define AGENT_SENDER_H

/* The thread's function; `agent` is a struct agent. Runs until EVENT_STOP is set on
 * agent->sender. */
void *sender_run(void *agent);

#endif
