/* SPDX-License-Identifier: MIT */
/* A bounded walk through ranges of an index, from their new ends: the newest rows that filters let
 * through, whatever lies behind them. */
#ifndef STORE_WALK_H
#define STORE_WALK_H

#include "store/db.h"

enum {
    WALK_ENTRIES_MAX = 20000,        /* index entries that one walk looks at */
    WALK_BYTES_MAX = 4 * 1024 * 1024 /* of long text in what it finds: a page ends there */
};

/* Ranges of one kind; each row gives the parameters of one. */
struct walk_ranges {
    int bound, find; /* statements: see statements_history.c */
    struct rows rows;
};

enum { WALK_KINDS_MAX = 2 };

struct walk {
    struct params params; /* of the filters and the scope */
    struct walk_ranges ranges[WALK_KINDS_MAX];
    size_t kinds;
    bool exact;             /* the filters let all through that lies in the ranges */
    bool hidden;            /* the caller may not see all that lies in them */
    struct position before; /* where it begins: older entries only */
    struct position since;  /* where it ends */
    size_t limit;
};

struct found {
    struct position position;
    uint64_t id; /* of the row */
};

/* What a walk has found, newest first. */
struct findings {
    struct found *items;
    size_t count;
    bool more;           /* there may be more behind `end` */
    bool cut;            /* it looked at as many entries as it may before it found `limit` */
    struct position end; /* all that is newer was looked at; only when there is more */
};

/* Free *out in any case. */
enum err walk(struct db *db, struct walk *walk, struct findings *out, struct error *e);
void findings_free(struct findings *findings);

/* Frees the ranges. */
void walk_free(struct walk *walk);

#endif
