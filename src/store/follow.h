/* SPDX-License-Identifier: MIT */
/* Commands as they are reported, in the order of their ids, each once.
 *
 * An id is given out before its row is committed: a lower one may show up after a higher one. So
 * each look goes back to the highest id of FOLLOW_LATE looks before, and leaves out what the last
 * one has seen. It reads by the primary key, and nothing that is older: its cost does not depend on
 * the history that there is. */
#ifndef STORE_FOLLOW_H
#define STORE_FOLLOW_H

#include "store/history.h"

enum {
    FOLLOW_LATE = 10,    /* looks, with a pause of a second between two */
    FOLLOW_BACK = 10000, /* rows that a look reads again at most */
    FOLLOW_START = 1000, /* ids before the newest that the first look goes back */
    FOLLOW_PAGE = 500    /* rows that one statement reads */
};

/* Ascending. */
struct seen {
    uint64_t *ids; /* owned */
    size_t count, capacity;
};

struct follow {
    const struct history_filter *filter;    /* of users, machines, sessions and texts; borrowed */
    struct seen last, now;                  /* by the last look, by the one under way */
    uint64_t from;                          /* where the next page begins: after that id */
    uint64_t highest, earlier[FOLLOW_LATE]; /* ids, at the end of looks */
    size_t looks;
};

/* Sees all that there is, so that what comes later is new. Again is a new beginning. */
enum err follow_begin(struct db *db, struct follow *follow, struct error *e);

/* Loads what is new in the next page of a look, oldest first, with the columns of history_commands;
 * out->more: the look goes on. After an error the same page comes next. Free *out in any case. */
enum err follow_page(struct db *db, struct follow *follow, struct history *out, struct error *e);

void follow_free(struct follow *follow);

#endif
