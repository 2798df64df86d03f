/* SPDX-License-Identifier: MIT */
/* Writes the audit behind the answers, so that no read depends on a write: a queue, and a thread
 * with a connection of its own that empties it. What cannot be written (the database is read only,
 * or grants are missing) waits there; when the queue is full, or the worker stops, it goes to the
 * log. */
#ifndef API_AUDITOR_H
#define API_AUDITOR_H

#include "api/call.h"

/* Notes that the call's caller has done `action`, a static text, or has been shown what it is
 * about. `agent_id` and `detail` may be NULL. The session is the one in the call's path, or a
 * search's. From any thread. */
void auditor_note(const struct call *call, const char *action, const char *agent_id,
                  const char *detail);

/* The thread of a worker: writes what is noted until auditor_stop, and then what is left. */
void auditor_run(void *worker);
void auditor_stop(void);

/* Without a thread: writes what was noted. */
void auditor_write(const struct settings *settings);

#endif
