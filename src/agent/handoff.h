/* SPDX-License-Identifier: MIT */
/* The directory in which vsay-shells leave their reports when they exit while vsay-agent is away.
 * A vsay-shell cannot wait for the agent: its user has logged out. On disk it is called `drop`, its
 * first name, which vsay-shells of older versions still use.
 *
 * Each session leaves one file, SESSION_ID.jsonl. Everybody may write to the directory and only the
 * agent may list it, so another user who guesses the name may have taken it. vsay-shell then uses
 * SESSION_ID.KEY.jsonl with a random key that it told the agent when the session opened. A file
 * counts for the user who owns it, and only once the session's vsay-shell is gone. */
#ifndef AGENT_HANDOFF_H
#define AGENT_HANDOFF_H

#include <stdbool.h>

#include "agent/agent.h"

struct handoff;

/* Creates the directory if it is missing. `agent` is borrowed. */
enum err handoff_open(struct agent *agent, struct handoff **out, struct error *e);
void handoff_close(struct handoff *handoff);

/* Takes in the files of one session; `key` may be empty. A file that cannot be stored now stays for
 * later; one that vsay-shell cannot have written is removed. Returns true when no file is left. */
bool handoff_collect(struct handoff *handoff, const char *session_id, const char *key);

/* Takes in the files of the next part of the directory. Bounded in time, so that many files do not
 * stop the event loop; call it every few seconds. */
void handoff_scan(struct handoff *handoff);

#endif
