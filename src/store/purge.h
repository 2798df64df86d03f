/* SPDX-License-Identifier: MIT */
/* Deletes old history.
 *
 * Small transactions keep locks short: workers go on while a purge of millions of rows runs, and
 * one that is interrupted has done its part. Each table is walked along an index on time, from its
 * old end and never back: InnoDB keeps deleted entries for a while, and a purge that began anew for
 * each page would read them again and again. A page is locked before its rows are deleted, so that
 * two purges wait for each other instead of deadlocking. */
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
    int percent;      /* of the time to be purged; 0: not known */
    uint64_t done;    /* rows */
};

typedef void purge_fn(void *context, const struct purge_progress *progress);

/* In seconds. */
struct purge_ages {
    long history, audit;
};

/* Expires old signals. Closes sessions that are open on machines without a heartbeat for
 * older_than->history. Deletes older commands and older closed sessions with their receipts, and
 * audit entries older than older_than->audit. Works in transactions of at most a thousand rows, so
 * it may be interrupted at any time, and calls `report` after each. Adds to counts[], also on
 * error. */
enum err purge(struct db *db, const struct purge_ages *older_than, purge_fn *report, void *context,
               uint64_t counts[PURGED_COUNT], struct error *e);

#endif
