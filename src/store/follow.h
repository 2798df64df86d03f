/* SPDX-License-Identifier: MIT */
/* Follows commands as they are reported, in the order of their ids, each once.
 *
 * The database assigns an id before it commits the row, so a lower id may appear after a higher
 * one. Each pass therefore starts at the highest id of FOLLOW_LATE passes ago, and skips the
 * commands that the last pass has seen. A high-water mark alone would lose the late ones. Time is
 * no better: machines report it, and a machine that was away reports old commands. It reads by the
 * primary key, so its cost does not depend on the size of the history. */
#ifndef STORE_FOLLOW_H
#define STORE_FOLLOW_H

#include "store/history.h"

enum {
    FOLLOW_LATE = 10,    /* passes, a second apart */
    FOLLOW_BACK = 10000, /* rows that a pass reads again at most */
    FOLLOW_START = 1000, /* ids before the newest at which the first pass starts */
    FOLLOW_PAGE = 500    /* rows that one statement reads */
};

/* Ascending. */
struct seen {
    uint64_t *ids; /* owned */
    size_t count, capacity;
};

struct follow {
    const struct history_filter *filter;    /* of users, machines, sessions and texts; borrowed */
    struct seen last, now;                  /* by the last pass; by the present one */
    uint64_t from;                          /* the next page begins after this id */
    uint64_t highest, earlier[FOLLOW_LATE]; /* ids at the ends of passes */
    size_t passes;
};

/* Reads the commands that exist, so that only later ones are new. May be called again to start
 * anew. */
enum err follow_begin(struct db *db, struct follow *follow, struct error *e);

/* Loads the new commands of the next page of a pass, oldest first, with the columns of
 * history_commands. out->more: the pass continues. After an error the same page is next. Free *out
 * in any case. */
enum err follow_page(struct db *db, struct follow *follow, struct history *out, struct error *e);

void follow_free(struct follow *follow);

#endif
