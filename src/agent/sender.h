/* SPDX-License-Identifier: MIT */
/* The thread that tells vsay everything, in order, over one connection: heartbeats, and what is in
 * the spool. So a heartbeat never overtakes an opening. The spool waits until a heartbeat was
 * taken: only then it is certain that vsay, and no other server, would refuse a record. */
#ifndef AGENT_SENDER_H
#define AGENT_SENDER_H

/* `agent` is a struct agent; for pthread_create. Runs until the sender's EVENT_STOP. */
void *sender_run(void *agent);

#endif
