/* SPDX-License-Identifier: MIT */
/* Terminal sessions. */
#ifndef STORE_SESSIONS_H
#define STORE_SESSIONS_H

#include "store/db.h"

/* Borrowed until the callback returns. */
struct session {
    int64_t id;
    const char *session_id, *agent_id, *machine_name, *user_id, *username, *source;
    const char *browser, *os; /* NULL: unknown */
    const char *started_at;   /* UTC, `2026-02-06T12:00:00.123000` */
};

/* Keyset position: sessions older than this one. */
struct session_position {
    char started_at[27]; /* as in struct session */
    uint64_t id;
};

struct session_filter {
    char agent_id[IDENT_MAX + 1], user_id[IDENT_MAX + 1]; /* "": any */
    const char *source;                                   /* NULL: any */
    struct session_position before;                       /* .started_at "": from the newest */
    uint64_t limit;                                       /* 0: all */
};

typedef void session_fn(void *context, const struct session *session);

/* Calls `fn` for each active session in the scope that the filter lets through, newest first. */
enum err sessions_active(struct db *db, const struct scope *scope,
                         const struct session_filter *filter, session_fn *fn, void *context,
                         struct error *e);

/* Closes a session for `who`: marks it and adds the one signal that it ever gets. Does nothing when
 * it is closing or closed already. ERR_NOT_FOUND when `who` may not see it, ERR_FORBIDDEN when it
 * may not close it. To be run in one transaction. */
enum err sessions_close(struct db *db, const struct principal *who, const char *session_id,
                        struct error *e);

#endif
