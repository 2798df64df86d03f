/* SPDX-License-Identifier: MIT */
/* The audit log: who terminated or viewed which session, and who was granted access. Entries are
 * added, read, and purged by age, but never changed. The database enforces that: db/grants.sql
 * gives workers no right to change or delete any. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "base/clock.h"
#include "common/principal.h"
#include "store/db.h"

enum { AUDIT_DETAIL_MAX = 1000 }; /* bytes */

/* Strings are borrowed. */
struct audit_entry {
    const char *action;
    const struct principal *who;
    const char *role;                               /* "": vsayctl's user */
    const char *session_id, *agent_id, *of_user_id; /* the object of the action; NULL: none */
    const char *detail;                             /* up to AUDIT_DETAIL_MAX */
    const char *request_id;                         /* NULL: not a request */
    uint64_t age;                                   /* ms since it happened */
};

/* Adds entries. Run in one transaction. */
enum err audit_add(struct db *db, const struct audit_entry *entries, size_t count, struct error *e);

struct audit_filter {
    const char *user_id, *session_id; /* actor and object; NULL: any; borrowed */
    char from[SQL_TIME_LENGTH + 1], until[SQL_TIME_LENGTH + 1]; /* `until` is exclusive; "": any */
    struct position before;                                     /* older ones only */
    size_t limit;
};

enum { AUDIT_READ_MAX = 20000 }; /* entries of a session that one page reads at most */

/* Selects entries, newest first. With at most one filter it reads only the page. With both it reads
 * AUDIT_READ_MAX entries of the session at most, down to *end; "": there are no more. */
enum err audit_select(struct db *db, const struct audit_filter *filter, struct position *end,
                      struct error *e);

/* The next selected entry: the columns of AUDIT in statements_sessions.c. NULL: no more. */
const struct cell *audit_next(struct db *db, struct position *position);

#endif
