/* SPDX-License-Identifier: MIT */
/* The machines that a caller sees, those included that were never heard of. */
#ifndef STORE_INVENTORY_H
#define STORE_INVENTORY_H

#include "store/db.h"

/* The columns of a machine: agent_id, name, status, cpu, memory, disk (hundredths of a percent;
 * NULL until it was heard of, like the next), last_active (RFC 3339), active sessions, commands
 * that its agent dropped. */
enum { INVENTORY_COLUMNS = 9 };

/* Strings are borrowed. */
struct inventory_filter {
    const char *status; /* online, offline; NULL: any */
    const char *q;      /* part of name or id; NULL: any */
    const char *after;  /* machine before the first; NULL: none */
    uint64_t limit;
};

/* How many machines one page looks at to find those that fit. */
enum { INVENTORY_LOOKS = 5000 };

/* Loads a page, in the order of their ids; db_row tells the rows. `searched_to` is the last machine
 * that was looked at when there may be more behind it, else "". */
enum err inventory_page(struct db *db, const struct scope *scope,
                        const struct inventory_filter *filter, char searched_to[IDENT_MAX + 1],
                        struct error *e);

/* Loads one machine; db_row tells its row, unless it is not in the scope. */
enum err inventory_machine(struct db *db, const struct scope *scope, const char *agent_id,
                           struct error *e);

enum { INVENTORY_ACCESS_MAX = 1000 };

/* Loads who may see a machine, as (user id, relation), in the order of the ids; the first
 * INVENTORY_ACCESS_MAX of them. */
enum err inventory_access(struct db *db, const char *agent_id, struct error *e);

#endif
