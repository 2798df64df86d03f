/* SPDX-License-Identifier: MIT */
/* The fleet as a whole: figures for /metrics, and usage over time.
 *
 * Usage is sampled: once in each slot of five minutes one worker looks at the fleets of all users
 * and tenants and adds a sample to their rings. Reading a chart then costs a few hundred rows,
 * whatever the number of machines. */
#ifndef STORE_FLEET_H
#define STORE_FLEET_H

#include "store/agents.h"

enum fleet_number {
    FLEET_ONLINE, /* machines */
    FLEET_OFFLINE,
    FLEET_NEVER,   /* without any heartbeat */
    FLEET_DROPPED, /* commands that agents had to drop */
    FLEET_UI,      /* active sessions, by source */
    FLEET_CLI,
    FLEET_VSCODE,
    FLEET_PENDING,        /* terminations without an outcome */
    FLEET_OLDEST_PENDING, /* s; 0: none */
    FLEET_RECENT_PENDING, /* the last 1,000 terminations, by outcome */
    FLEET_RECENT_CONFIRMED,
    FLEET_RECENT_VANISHED,
    FLEET_RECENT_EXPIRED,
    FLEET_NUMBERS
};

/* Loads the figures. Reads each machine and each open session once, and no history. */
enum err fleet_load(struct db *db, uint64_t out[FLEET_NUMBERS], struct error *e);

/* --- usage over time */

/* One sample of the fleets. */
struct fleet_sample {
    int64_t now;           /* out: the database's clock, Unix s */
    bool taken;            /* out: no other worker has sampled this slot */
    struct idents tenants; /* out, if taken; freed by the caller */
    size_t tenant;         /* for fleet_sample_users: index of the tenant */
};

/* Bodies of db_run; `sample` is a struct fleet_sample. The first claims the current slot, unless
 * another worker has, and samples all machines and each tenant's. The second samples the fleets of
 * a tenant's users. */
enum err fleet_sample(struct db *db, void *sample, struct error *e);
enum err fleet_sample_users(struct db *db, void *sample, struct error *e);

/* Usage in one step. */
struct fleet_usage {
    int64_t began;    /* Unix s */
    uint64_t samples; /* number of samples */
    struct usage_figure online, offline, sessions;
    struct usage_figure figures[USAGE_FIGURES]; /* the sums are over online.sum machines */
};

/* Loads the usage of the fleet in the scope. fleet_usage_next returns each step with samples,
 * oldest first. */
enum err fleet_usage_load(struct db *db, const struct scope *scope, long hours,
                          struct usage_span *span, struct error *e);
bool fleet_usage_next(struct db *db, struct fleet_usage *out);

#endif
