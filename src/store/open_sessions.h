/* SPDX-License-Identifier: MIT */
/* Sessions as the operator sees them: all that have not ended, whatever became of their machine. */
#ifndef STORE_OPEN_SESSIONS_H
#define STORE_OPEN_SESSIONS_H

#include "store/db.h"

/* Borrowed until the next statement. */
struct open_session {
    const char *session_id, *user_id, *agent_id, *source;
    const char *state;      /* active; offline: active, and its machine is not online; closing */
    const char *started_at; /* RFC 3339 */
};

/* Selects the sessions that are open, newest first, of one tenant and one machine unless NULL. */
enum err open_sessions_list(struct db *db, const char *tenant_id, const char *agent_id,
                            struct error *e);

/* Selects that session, if there is one; its state may be closed too. */
enum err open_sessions_find(struct db *db, const char *session_id, struct error *e);

/* The next of those selected. False: no more. */
bool open_sessions_next(struct db *db, struct open_session *out);

#endif
