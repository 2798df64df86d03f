/* SPDX-License-Identifier: MIT */
/* The directory where vsay-shells that had to exit while vsay-agent was away leave what they had to
 * report, in files SESSION_ID.jsonl. Everybody may write there, and nobody but this program read.
 */
#ifndef AGENT_DROP_H
#define AGENT_DROP_H

#include "agent/agent.h"

/* Makes the directory. */
enum err drop_open(const struct agent *agent, struct error *e);

/* Takes in the file of one session, or of all, if there are any. What cannot be stored now stays.
 */
void drop_take(struct agent *agent, const char *session_id);
void drop_take_all(struct agent *agent);

#endif
