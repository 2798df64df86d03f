/* SPDX-License-Identifier: MIT */
/* Sessions as the operator sees them: all that have not ended, whatever became of their machine. */
#ifndef STORE_OPEN_SESSIONS_H
#define STORE_OPEN_SESSIONS_H

#include "store/db.h"

/* Borrowed until the callback returns. */
struct open_session {
    const char *session_id, *user_id, *agent_id, *source;
    const char *state;      /* active; offline: active, and its machine is not online; closing */
    const char *started_at; /* RFC 3339 */
};

typedef void open_session_fn(void *context, const struct open_session *session);

/* Calls `fn` for each session that is open, newest first, of one tenant and one machine unless
 * NULL. */
enum err open_sessions_list(struct db *db, const char *tenant_id, const char *agent_id,
                            open_session_fn *fn, void *context, struct error *e);

/* Calls `fn` if there is such a session; its state may be closed too. */
enum err open_sessions_find(struct db *db, const char *session_id, open_session_fn *fn,
                            void *context, struct error *e);

#endif
