/* SPDX-License-Identifier: MIT */
/* A bounded walk through index ranges, newest first: finds the newest rows that match filters.
 *
 * A filter may match one row in a million, and a database with years of history must not be read to
 * its end for one page. LIMIT bounds what a statement returns, not what it reads. So a walk reads
 * pieces of its ranges, each larger than the one before, and stops after WALK_ENTRIES_MAX index
 * entries. The page then says how far the search came, and the next page goes on from there. With
 * 10 million commands, a search without a match takes 45 to 260 ms. */
#ifndef STORE_WALK_H
#define STORE_WALK_H

#include "store/db.h"

enum {
    WALK_ENTRIES_MAX = 20000,        /* index entries that one walk reads */
    WALK_BYTES_MAX = 4 * 1024 * 1024 /* of long text in its findings; then the page ends */
};

/* Ranges of one kind. Each row has the parameters of one range. */
struct walk_ranges {
    int bound, find; /* statements: see statements_sessions.c */
    struct rows rows;
};

enum { WALK_KINDS_MAX = 2 };

struct walk {
    struct params params; /* filters and scope */
    struct walk_ranges ranges[WALK_KINDS_MAX];
    size_t kinds;
    bool exact;             /* all rows in the ranges match the filters */
    bool hidden;            /* the caller may not see all rows in them */
    struct position before; /* where it begins: only older entries */
    struct position since;  /* where it ends */
    size_t limit;
};

struct found {
    struct position position;
    uint64_t id; /* of the row */
};

/* The findings of a walk, newest first. */
struct findings {
    struct found *items;
    size_t count;
    bool more;           /* there may be more after `end` */
    bool cut;            /* it reached WALK_ENTRIES_MAX before it found `limit` */
    struct position end; /* everything newer has been searched; set if `more` */
};

/* Free *out in any case. */
enum err walk(struct db *db, struct walk *walk, struct findings *out, struct error *e);
void findings_free(struct findings *findings);

/* Frees the ranges. */
void walk_free(struct walk *walk);

#endif
