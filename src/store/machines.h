/* SPDX-License-Identifier: MIT */
/* The fleet as its operator keeps it: which machines there are, and who may use them. */
#ifndef STORE_MACHINES_H
#define STORE_MACHINES_H

#include "store/db.h"

/* Borrowed until the callback returns. */
struct listed_machine {
    const char *agent_id, *tenant_id, *name;
    bool online;
    const char *last_heartbeat; /* RFC 3339; NULL: none yet */
    int64_t cpu, memory, disk;  /* hundredths of a percent */
    int64_t dropped_commands, open_sessions;
    const char *refused_at; /* RFC 3339: when another instance was turned away; NULL: not lately */
};

typedef void listed_machine_fn(void *context, const struct listed_machine *machine);

/* Calls `fn` for each machine, of one tenant unless NULL, in the order of their ids. */
enum err machines_list(struct db *db, const char *tenant_id, listed_machine_fn *fn, void *context,
                       struct error *e);

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
