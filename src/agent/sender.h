/* SPDX-License-Identifier: MIT */
/* The thread that sends heartbeats and the spool to vsay, over one connection. So no two requests
 * about a session are in progress at once, and no end overtakes the commands before it. A heartbeat
 * may list a session whose opening still waits in the spool: vsay calls it unknown, and it is
 * opened at once.
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
