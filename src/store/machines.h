/* SPDX-License-Identifier: MIT */
/* The fleet as its operator keeps it: which machines there are, and who may use them. */
#ifndef STORE_MACHINES_H
#define STORE_MACHINES_H

#include "store/db.h"

/* Borrowed until the next one. */
struct listed_machine {
    const char *agent_id, *tenant_id, *name;
    bool online;
    const char *last_heartbeat; /* RFC 3339; NULL: none yet */
    int64_t cpu, memory, disk;  /* hundredths of a percent */
    int64_t dropped_commands, open_sessions;
    const char *refused_at; /* RFC 3339: when another instance was turned away; NULL: not lately */
};

/* All machines, or a tenant's, which are read page by page. */
struct machine_list {
    const char *tenant_id;    /* NULL: any; borrowed */
    char last[IDENT_MAX + 1]; /* machine that was told */
    uint64_t rows;            /* up to that one */
};

/* The next machine, in the order of their ids; all of the list but its tenant is zeroed before the
 * first. Runs a statement for each page. False: no more, or *err. */
bool machines_next(struct db *db, struct machine_list *list, struct listed_machine *out,
                   enum err *err, struct error *e);

/* All that follow are to be run in one transaction each. ERR_NOT_FOUND when there is no such
 * machine. */

struct new_machine {
    const char *agent_id, *tenant_id, *name;
    int64_t generation;
    const char *owner; /* user id, or NULL */
};

/* ERR_DB when there is a machine of that id. */
enum err machines_add(struct db *db, const struct new_machine *machine, struct error *e);

/* Ends the machine's sessions, of which there were *open, and forgets it. What it did stays. */
enum err machines_remove(struct db *db, const char *agent_id, uint64_t *open, struct error *e);

/* Makes the machine's tokens void; *generation is the next one's. */
enum err machines_rotate(struct db *db, const char *agent_id, int64_t *generation, struct error *e);

enum relation { RELATION_OWNER, RELATION_GRANTED };

/* *changed: whether that was not so already. */
enum err machines_grant(struct db *db, const char *agent_id, const char *user_id,
                        enum relation relation, bool *changed, struct error *e);
enum err machines_revoke(struct db *db, const char *agent_id, const char *user_id, bool *changed,
                         struct error *e);

#endif
