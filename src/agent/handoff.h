/* SPDX-License-Identifier: MIT */
/* The directory where vsay-shells that had to exit while vsay-agent was away leave what they had to
 * report, in files SESSION_ID.jsonl; or, where somebody else has made that file, so that nobody can
 * be kept from it, SESSION_ID.KEY.jsonl, with a random key that vsay-agent has from the opening.
 * Everybody may write there, and only this program read. */
#ifndef AGENT_HANDOFF_H
#define AGENT_HANDOFF_H

#include <stdbool.h>

#include "agent/agent.h"

struct handoff;

/* Makes the directory. `agent` is borrowed. */
enum err handoff_open(struct agent *agent, struct handoff **out, struct error *e);
void handoff_close(struct handoff *handoff);

/* Takes in what there is of one session; `key` may be empty. What cannot be stored now stays, and
 * what vsay-shell would not have written is removed. Whether nothing stays. */
bool handoff_collect(struct handoff *handoff, const char *session_id, const char *key);

/* Looks at some more of the directory, and takes in what it finds. */
void handoff_scan(struct handoff *handoff);

#endif
