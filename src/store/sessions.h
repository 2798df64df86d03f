/* SPDX-License-Identifier: MIT */
/* Terminal sessions. */
#ifndef STORE_SESSIONS_H
#define STORE_SESSIONS_H

#include "store/load.h"

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
    struct position before;                                 /* older ones; none: from the newest */
    uint64_t limit;                                         /* 0: all */
};

/* Selects the active sessions in the scope of each of the callers that the filter lets through, the
 * newest of a caller first; for users perhaps more than filter->limit. */
enum err sessions_active(struct db *db, const struct callers *callers,
                         const struct session_filter *filter, struct error *e);

/* The next of those selected, which is *caller's (an index). False: no more. */
bool sessions_next(struct db *db, const struct callers *callers, size_t *caller,
                   struct active_session *out);

enum { REASON_MAX = 200 }; /* bytes that a caller may give as its reason to close a session */

struct closing {
    char agent_id[IDENT_MAX + 1], tenant_id[IDENT_MAX + 1];
    bool signalled; /* by this call */
    bool closed;    /* the session is over */
};

/* Closes a session for `who`: marks it and adds the one signal that it ever gets, with `reason`
 * ("": none). Does nothing when it is closing or closed already. ERR_NOT_FOUND when `who` may not
 * see it, ERR_FORBIDDEN when it may not close it. To be run in one transaction. */
enum err sessions_close(struct db *db, const struct principal *who, const char *session_id,
                        const char *reason, struct closing *out, struct error *e);

/* Borrowed until the next statement; NULL: not known, or not yet. Times are RFC 3339. */
struct receipt {
    const char *session_id, *agent_id, *machine_name, *user_id, *username, *source, *state;
    const char *started_at, *browser, *os, *ended_at, *close_reason, *exit_code;
    const char *requested_by; /* NULL: nobody asked for its end, and the rest is NULL too */
    const char *requested_at, *delivered_at, *attempts, *confirmed_at, *outcome;
    const char *not_recorded; /* why commands are left out; NULL: they are not */
    const char *requested_by_username, *reason;
    const char *source_address, *last_activity_at;
};

struct log_entry {
    const char *command, *executed_at, *success;
};

/* ERR_NOT_FOUND when the session is not in the scope. */
enum err sessions_receipt(struct db *db, const struct scope *scope, const char *session_id,
                          struct receipt *out, struct error *e);

/* Selects the last 100 commands of a session, newest first. */
enum err sessions_log(struct db *db, const char *session_id, struct error *e);

/* The next of those selected. False: no more. */
bool sessions_log_next(struct db *db, struct log_entry *out);

/* --- for the operator */

/* Borrowed until the next statement. */
struct operated_session {
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
enum err operated_sessions_list(struct db *db, const struct session_choice *choice,
                                struct error *e);

/* Selects that session, if there is one; its state may be closed too. */
enum err operated_sessions_find(struct db *db, const char *session_id, struct error *e);

/* The next of those selected. False: no more. */
bool operated_sessions_next(struct db *db, struct operated_session *out);

#endif
