/* SPDX-License-Identifier: MIT */
/* How the whole fleet is doing, in numbers, for who watches the service. */
#ifndef STORE_FLEET_H
#define STORE_FLEET_H

#include "store/agents.h"

enum fleet_number {
    FLEET_ONLINE, /* machines */
    FLEET_OFFLINE,
    FLEET_NEVER,   /* that were never heard of */
    FLEET_DROPPED, /* commands that their agents had to give up */
    FLEET_UI,      /* active sessions, by source */
    FLEET_CLI,
    FLEET_VSCODE,
    FLEET_PENDING,        /* terminations that did not happen yet */
    FLEET_OLDEST_PENDING, /* s; 0: there is none */
    FLEET_RECENT_PENDING, /* of the 1,000 terminations that were asked for last, by outcome */
    FLEET_RECENT_CONFIRMED,
    FLEET_RECENT_VANISHED,
    FLEET_RECENT_EXPIRED,
    FLEET_NUMBERS
};

/* Loads them. Each machine is read once, and each session that did not end; no history is. */
enum err fleet_load(struct db *db, uint64_t out[FLEET_NUMBERS], struct error *e);

/* --- usage over time */

/* One look at the fleets. */
struct fleet_sample {
    int64_t now;           /* out: the database's clock, Unix s */
    bool taken;            /* out: no other worker has looked in this slot */
    struct idents tenants; /* out, if taken; freed by the caller */
    size_t tenant;         /* for fleet_sample_users: which of them */
};

/* Bodies of db_run. The first takes the slot under way, unless another worker has it, and stores
 * what it sees of all machines and of each tenant's. The second stores the fleets of a tenant's
 * users. */
enum err fleet_sample(struct db *db, void *look, struct error *e);
enum err fleet_sample_users(struct db *db, void *look, struct error *e);

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
