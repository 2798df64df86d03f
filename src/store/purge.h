/* SPDX-License-Identifier: MIT */
/* Deleting history. */
#ifndef STORE_PURGE_H
#define STORE_PURGE_H

#include "store/db.h"

enum purged {
    PURGED_LOST,
    PURGED_COMMANDS,
    PURGED_RECEIPTS,
    PURGED_SESSIONS,
    PURGED_AUDIT,
    PURGED_COUNT
};

struct purge_progress {
    const char *what; /* static text */
    int percent;      /* of the time that is to be purged; 0 when that is not known */
    uint64_t done;    /* rows */
};

typedef void purge_fn(void *context, const struct purge_progress *progress);

/* In seconds. */
struct purge_ages {
    long history, audit;
};

/* Lets old signals expire, closes the sessions that are open on machines not heard from for
 * `older_than->history`, and deletes what is older: commands, and closed sessions with their
 * receipts; and of the audit what is older than `older_than->audit`. In transactions of a thousand
 * rows at most, so that it may be interrupted at any time; calls `tell` after each. Adds to
 * counts[], on error too. */
enum err purge(struct db *db, const struct purge_ages *older_than, purge_fn *tell, void *context,
               uint64_t counts[PURGED_COUNT], struct error *e);

#endif
