/* SPDX-License-Identifier: MIT */
/* The thread that sends heartbeats and the spool to vsay, in order, over one connection. So a
 * heartbeat never overtakes an open report; it would list a session that vsay does not know yet.
 * And no end overtakes the commands before it.
 *
 * Nothing is forgotten before vsay has accepted it, so the spool waits until a heartbeat was
 * accepted: only then is it certain that vsay itself, and not some proxy or another server,
 * answers. A batch that is refused is halved until the record at fault is alone. That record is
 * dropped when it is refused for the third time, each time after another accepted heartbeat. */
#ifndef AGENT_SENDER_H
#define AGENT_SENDER_H

/* The thread's function; `agent` is a struct agent. Runs until EVENT_STOP is set on
 * agent->sender. */
void *sender_run(void *agent);

#endif
