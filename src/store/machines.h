/* SPDX-License-Identifier: MIT */
/* Machines: those that a caller sees; the operator's list and changes.
 *
 * Lists are paged by id, which is the order of an index for every scope, and a page begins after
 * the last machine of the one before. Unlike an OFFSET, that costs the same on each page, and
 * machines that are added or removed meanwhile move no other from its page. */
#ifndef STORE_MACHINES_H
#define STORE_MACHINES_H

#include "store/scope.h"

/* --- the machines in a caller's scope, also those that have never sent a heartbeat */

/* The columns of a machine: agent_id, name, status, cpu, memory, disk (hundredths of a percent;
 * NULL before the first heartbeat, like the next), last_active (RFC 3339), active sessions,
 * commands that its agent has dropped. */
enum { MACHINES_COLUMNS = 9 };

/* Strings are borrowed. */
struct machines_filter {
    const char *status; /* online, offline; NULL: any */
    const char *q;      /* part of name or id; NULL: any */
    const char *after;  /* the page begins after this machine; NULL: at the first */
    uint64_t limit;
};

/* Machines that a filtered page reads at most. */
enum { MACHINES_READ_MAX = 5000 };

/* Loads a page in the order of ids; db_row returns the rows. `searched_to` is the last machine that
 * was read, if there may be more after it; otherwise "". */
enum err machines_page(struct db *db, const struct scope *scope,
                       const struct machines_filter *filter, char searched_to[IDENT_MAX + 1],
                       struct error *e);

/* Loads one machine; db_row returns its row, or NULL when it is not in the scope. */
enum err machines_find(struct db *db, const struct scope *scope, const char *agent_id,
                       struct error *e);

enum { MACHINES_ACCESS_MAX = 1000 };

/* Loads the users with access to a machine, as (user id, relation), in the order of user ids; at
 * most MACHINES_ACCESS_MAX. */
enum err machines_access(struct db *db, const char *agent_id, struct error *e);

/* --- for the operator */

/* Borrowed until the next one. */
struct listed_machine {
    const char *agent_id, *tenant_id, *name;
    bool online;
    const char *last_heartbeat; /* RFC 3339; NULL: none */
    int64_t cpu, memory, disk;  /* hundredths of a percent */
    int64_t dropped_commands, open_sessions;
    const char *refused_at; /* RFC 3339: another instance was refused; NULL: not lately */
};

/* A cursor over all machines, or a tenant's. Reads page by page. */
struct machine_list {
    const char *tenant_id;    /* NULL: any; borrowed */
    char last[IDENT_MAX + 1]; /* the last machine returned */
    uint64_t rows;            /* rows so far */
};

/* The next machine, in the order of ids. Zero the list before the first, except its tenant. Runs a
 * statement for each page. False: no more, or *err. */
bool machines_next(struct db *db, struct machine_list *list, struct listed_machine *out,
                   enum err *err, struct error *e);

/* Run each of the following in one transaction. ERR_NOT_FOUND when there is no such machine. */

struct new_machine {
    const char *agent_id, *tenant_id, *name;
    int64_t generation;
    const char *owner; /* user id, or NULL */
};

/* ERR_DB when a machine with that id exists. */
enum err machines_add(struct db *db, const struct new_machine *machine, struct error *e);

/* Closes the machine's *open open sessions and deletes the machine. Its history stays. */
enum err machines_remove(struct db *db, const char *agent_id, uint64_t *open, struct error *e);

/* Revokes the machine's tokens. *generation is that of the next token. */
enum err machines_rotate(struct db *db, const char *agent_id, int64_t *generation, struct error *e);

enum relation { RELATION_OWNER, RELATION_GRANTED };

/* *changed: false if it was so already. */
enum err machines_grant(struct db *db, const char *agent_id, const char *user_id,
                        enum relation relation, bool *changed, struct error *e);
enum err machines_revoke(struct db *db, const char *agent_id, const char *user_id, bool *changed,
                         struct error *e);

#endif
