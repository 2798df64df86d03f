/* SPDX-License-Identifier: MIT */
/* Terminal sessions: the active ones, terminating one, receipts, and the operator's lists.
 *
 * A session is `active`, `closing` once its end was requested, and `closed`. The state leads every
 * index that a list reads, so that no list of active sessions reads what has been closed in years.
 */
#ifndef STORE_SESSIONS_H
#define STORE_SESSIONS_H

#include "store/scope.h"

/* Borrowed until the next statement. */
struct active_session {
    int64_t id;
    const char *session_id, *agent_id, *machine_name, *user_id, *username, *source;
    const char *browser, *os; /* NULL: unknown */
    const char *started_at;   /* UTC, `2026-02-06T12:00:00.123000` */
};

struct session_filter {
    char agent_id[IDENT_MAX + 1], user_id[USER_ID_MAX + 1]; /* "": any */
    const char *source;                                     /* NULL: any */
    struct position before; /* only older ones; none: from the newest on */
    uint64_t limit;         /* 0: all */
};

/* Selects the active sessions in each caller's scope that match the filter, newest first. For users
 * it may return more than filter->limit. */
enum err sessions_active(struct db *db, const struct callers *callers,
                         const struct session_filter *filter, struct error *e);

/* The next selected session; *caller is the index of its caller. False: no more. */
bool sessions_next(struct db *db, const struct callers *callers, size_t *caller,
                   struct active_session *out);

enum { REASON_MAX = 200 }; /* bytes of a reason to terminate a session */

struct closing {
    char agent_id[IDENT_MAX + 1], tenant_id[IDENT_MAX + 1];
    bool signalled; /* this call has added the signal */
    bool closed;    /* the session has ended already */
};

/* Terminates a session for `who`: marks it as closing and adds its signal, with `reason` ("":
 * none). A session gets one signal only; does nothing when it is closing or closed. ERR_NOT_FOUND
 * when `who` may not see it, ERR_FORBIDDEN when `who` may not terminate it. Run in one
 * transaction. */
enum err sessions_close(struct db *db, const struct principal *who, const char *session_id,
                        const char *reason, struct closing *out, struct error *e);

/* The columns of a session with its receipt, what became of the request to terminate it: SESSION in
 * statements_sessions.c lists them. Times are RFC 3339; NULL is unknown, or not yet. */
enum { SESSION_STATE = 6, SESSION_OUTCOME = 17, SESSION_COLUMNS = 25 };

/* *out: those columns, borrowed until the next statement. ERR_NOT_FOUND when the session is not in
 * the scope. */
enum err sessions_receipt(struct db *db, const struct scope *scope, const char *session_id,
                          const struct cell **out, struct error *e);

/* Loads the last 100 commands of a session, newest first; db_row returns command, time (RFC 3339)
 * and success (NULL: not known). */
enum err sessions_log(struct db *db, const char *session_id, struct error *e);

/* --- for the operator */

/* Borrowed until the next statement. */
struct listed_session {
    const char *session_id, *user_id, *username, *agent_id, *source;
    const char *state; /* active, offline (active, but its machine is offline), closing, closed */
    const char *started_at; /* RFC 3339 */
};

struct session_list_filter {
    const char *tenant_id, *agent_id, *user_id; /* NULL: any */
    bool closed;                                /* include closed sessions */
    uint64_t limit;
};

/* Selects sessions, newest first. */
enum err sessions_list(struct db *db, const struct session_list_filter *filter, struct error *e);

/* Selects one session of any state. */
enum err sessions_find(struct db *db, const char *session_id, struct error *e);

/* The next selected session. False: no more. */
bool sessions_list_next(struct db *db, struct listed_session *out);

#endif
