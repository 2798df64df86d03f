/* SPDX-License-Identifier: MIT */
/* Decides, once a tick, what happens to each session next: passes on a request to end it, kills it
 * when vsay-shell does not, and forgets it once vsay has confirmed its end. For the main thread.
 *
 * vsay-shell is the first to end a session, because it can wait for its children and so knows for
 * certain when the last one is gone. The agent only backs it up: vsay-shell may be stopped, hung,
 * dead, or not allowed to signal another user's process. The agent kills vsay-shell last, because
 * orphans of the session are reparented to it and stay findable only while it lives. */
#ifndef AGENT_SESSION_MANAGER_H
#define AGENT_SESSION_MANAGER_H

#include <stdbool.h>

#include "agent/agent.h"

/* Call once at start: marks the sessions whose end already waits in the spool as ended. A crash
 * between storing an end and confirming it must not produce a second, different end. */
void session_manager_begin(struct agent *agent);

/* Tells vsay-shell that `session` must end, if it must; once per connection. `session` may be
 * NULL. */
void session_manager_send_terminate(struct agent *agent, struct session *session);

/* Advances every session. Returns true when it should be called again soon (a kill is under way),
 * false when once a second is enough. */
bool session_manager_tick(struct agent *agent);

#endif
