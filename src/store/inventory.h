/* SPDX-License-Identifier: MIT */
/* The machines in a caller's scope, including those that have never sent a heartbeat. */
#ifndef STORE_INVENTORY_H
#define STORE_INVENTORY_H

#include "store/scope.h"

/* The columns of a machine: agent_id, name, status, cpu, memory, disk (hundredths of a percent;
 * NULL before the first heartbeat, like the next), last_active (RFC 3339), active sessions,
 * commands that its agent has dropped. */
enum { INVENTORY_COLUMNS = 9 };

/* Strings are borrowed. */
struct inventory_filter {
    const char *status; /* online, offline; NULL: any */
    const char *q;      /* part of name or id; NULL: any */
    const char *after;  /* the page begins after this machine; NULL: at the first */
    uint64_t limit;
};

/* Machines that a filtered page reads at most. */
enum { INVENTORY_LOOKS = 5000 };

/* Loads a page in the order of ids; db_row returns the rows. `searched_to` is the last machine that
 * was read, if there may be more after it; otherwise "". */
enum err inventory_page(struct db *db, const struct scope *scope,
                        const struct inventory_filter *filter, char searched_to[IDENT_MAX + 1],
                        struct error *e);

/* Loads one machine; db_row returns its row, or NULL when it is not in the scope. */
enum err inventory_machine(struct db *db, const struct scope *scope, const char *agent_id,
                           struct error *e);

enum { INVENTORY_ACCESS_MAX = 1000 };

/* Loads the users with access to a machine, as (user id, relation), in the order of user ids; at
 * most INVENTORY_ACCESS_MAX. */
enum err inventory_access(struct db *db, const char *agent_id, struct error *e);

#endif
