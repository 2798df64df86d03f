/* SPDX-License-Identifier: MIT */
/* The directory where vsay-shells that had to exit while vsay-agent was away leave what they had to
 * report, in files SESSION_ID.jsonl. Everybody may write there, and only this program read. */
#ifndef AGENT_DROP_H
#define AGENT_DROP_H

#include "agent/agent.h"

struct drop;

/* Makes the directory. `agent` is borrowed. */
enum err drop_open(struct agent *agent, struct drop **out, struct error *e);
void drop_close(struct drop *drop);

/* Takes in the file of one session, if there is one. What cannot be stored now stays, and what
 * vsay-shell would not have written is removed. */
void drop_take(struct drop *drop, const char *session_id);

/* Looks at some more of the directory, and takes in what it finds. */
void drop_look(struct drop *drop);

#endif
