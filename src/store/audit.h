/* SPDX-License-Identifier: MIT */
/* The audit: who has ended or looked at what, and who was let in. Rows are added, read, and purged by
 * age; nothing changes them. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

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
enum err audit_add(struct db *db, const struct audit_entry *entries, size_t count,
                   struct error *e);

#endif
