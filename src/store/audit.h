/* SPDX-License-Identifier: MIT */
/* The audit: who has ended or looked at what, and who was let in. Rows are added, read, and purged
 * by age; nothing changes them. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "base/rfc3339.h"
#include "store/db.h"

enum { AUDIT_DETAIL_MAX = 1000 }; /* bytes */

/* Borrows all. */
struct audit_entry {
    const char *action;
    const struct principal *who;
    const char *role;                               /* "": vsayctl's user */
    const char *session_id, *agent_id, *of_user_id; /* what it was done to; NULL: none */
    const char *detail;                             /* up to AUDIT_DETAIL_MAX */
    const char *request_id;                         /* NULL: it was no request */
    uint64_t age;                                   /* ms since it happened */
};

/* Adds entries. To be run in one transaction. */
enum err audit_add(struct db *db, const struct audit_entry *entries, size_t count, struct error *e);

struct audit_filter {
    const char *user_id, *session_id; /* who did it, what it was done to; NULL: any; borrowed */
    char from[SQL_TIME_LENGTH + 1], until[SQL_TIME_LENGTH + 1]; /* `until` not included; "": any */
    struct position before;                                     /* older ones only */
    size_t limit;
};

enum { AUDIT_LOOKS = 20000 }; /* entries of a session that one page looks at */

/* Selects entries, newest first. None of the filters makes it read more than the page; both of them
 * together AUDIT_LOOKS of the session's, down to *end: "" when these are all that there are. */
enum err audit_select(struct db *db, const struct audit_filter *filter, struct position *end,
                      struct error *e);

/* The next of those selected, whose cells are the columns of AUDIT; NULL: no more. */
const struct cell *audit_next(struct db *db, struct position *position);

#endif
