/* SPDX-License-Identifier: MIT */
/* The auditor: writes the audit log in the background, so that no read depends on a write. A queue,
 * and a thread with its own connection that empties it.
 *
 * While the database refuses writes (read only, missing grants), notes stay in the queue. When the
 * queue is full or the worker stops, they go to the log instead. Only a worker that is killed loses
 * notes without a trace. */
#ifndef API_AUDITOR_H
#define API_AUDITOR_H

#include "api/call.h"

/* Notes that the caller did `action` (a static text), or was shown what the call is about.
 * `agent_id` and `detail` may be NULL. The session is the one in the path, or a search's parameter.
 * From any thread. */
void auditor_note(const struct call *call, const char *action, const char *agent_id,
                  const char *detail);

/* The thread's function: writes notes until auditor_stop, then those that are left. */
void auditor_run(const struct settings *settings);
void auditor_stop(void);

/* Logs all notes that are not known to be in the database. For a process that ends although
 * auditor_run has not returned; the batch that it is writing may be stored all the same. */
void auditor_log_rest(void);

/* For CGI, without the thread: writes all notes now. */
void auditor_write(const struct settings *settings);

#endif
