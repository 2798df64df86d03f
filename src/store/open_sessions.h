/* SPDX-License-Identifier: MIT */
/* Sessions as the operator sees them, whatever became of their machine. */
#ifndef STORE_OPEN_SESSIONS_H
#define STORE_OPEN_SESSIONS_H

#include "store/db.h"

/* Borrowed until the next statement. */
struct open_session {
    const char *session_id, *user_id, *username, *agent_id, *source;
    const char *state; /* active; offline: active, and its machine is not online; closing; closed */
    const char *started_at; /* RFC 3339 */
};

struct session_choice {
    const char *tenant_id, *agent_id, *user_id; /* NULL: any */
    bool closed;                                /* those that have ended too */
    uint64_t limit;
};

/* Selects the sessions that are open, or all, newest first. */
enum err open_sessions_list(struct db *db, const struct session_choice *choice, struct error *e);

/* Selects that session, if there is one; its state may be closed too. */
enum err open_sessions_find(struct db *db, const char *session_id, struct error *e);

/* The next of those selected. False: no more. */
bool open_sessions_next(struct db *db, struct open_session *out);

#endif
