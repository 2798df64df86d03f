/* SPDX-License-Identifier: MIT */
/* Usage of fleets over time: of each user's machines, each tenant's, and all. Once in each slot of
 * five minutes one of the workers looks at all fleets, and adds what it saw to their rings. */
#ifndef STORE_FLEET_USAGE_H
#define STORE_FLEET_USAGE_H

#include "store/agents.h"

/* One look at the fleets. */
struct fleet_look {
    int64_t now;           /* out: the database's clock, Unix s */
    bool taken;            /* out: no other worker has looked in this slot */
    struct idents tenants; /* out, if taken; freed by the caller */
    size_t tenant;         /* for fleet_usage_look_at_users: which of them */
};

/* Bodies of db_run. The first takes the slot under way, unless another worker has it, and stores
 * what it sees of all machines and of each tenant's. The second stores the fleets of a tenant's
 * users. */
enum err fleet_usage_look(struct db *db, void *look, struct error *e);
enum err fleet_usage_look_at_users(struct db *db, void *look, struct error *e);

/* What was seen in a step. */
struct fleet_usage {
    int64_t began;    /* Unix s */
    uint64_t samples; /* looks */
    struct usage_figure online, offline, sessions;
    struct usage_figure figures[USAGE_FIGURES]; /* the sums are over online.sum machines */
};

/* Loads the usage of the fleet in the scope: fleet_usage_next tells each step in which there was a
 * look, in their order. */
enum err fleet_usage_load(struct db *db, const struct scope *scope, long hours,
                          struct usage_span *span, struct error *e);
bool fleet_usage_next(struct db *db, struct fleet_usage *out);

#endif
