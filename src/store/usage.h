/* SPDX-License-Identifier: MIT */
/* Usage over time, of machines and of fleets.
 *
 * Each has two rings of slots, of five minutes and of an hour. A slot has count, sum, minimum and
 * maximum of the reported values, so slots add up exactly, to any coarser step. A ring has a fixed
 * number of rows, so nothing needs purging. A slot tells its own time (`slot_at`): what an earlier
 * turn of the ring has left, or a worker with another agents.usage_history, is recognised by it.
 *
 * The heartbeats of a machine's current five minutes are in the machine's own row, as text
 * (`usage_now`), which a heartbeat updates anyway: it costs one more statement in five minutes
 * only. Heartbeats took the database 56 microseconds without usage, and 54 with it.
 *
 * The rings of fleets are sampled: once in each slot of five minutes one worker looks at the fleets
 * of all users and tenants, and adds a sample to their rings. Adding up the rings of a fleet's
 * machines for each chart would cost more the larger the fleet is; reading one ring costs a few
 * hundred rows, whatever the number of machines. */
#ifndef STORE_USAGE_H
#define STORE_USAGE_H

#include "store/scope.h"

enum { USAGE_SLOT = 300, USAGE_LONG_SLOT = 3600 }; /* s */

enum { USAGE_POINTS_MAX = 300, USAGE_HOURS_MAX = 720 };

/* Aggregate of values in hundredths of a percent. */
struct usage_figure {
    uint64_t sum, least, greatest;
};

enum { USAGE_CPU, USAGE_MEMORY, USAGE_DISK, USAGE_FIGURES };

/* The reports of a slot, or of a step of several slots. */
struct usage_sums {
    int64_t began;    /* Unix s */
    uint64_t samples; /* heartbeats */
    struct usage_figure figures[USAGE_FIGURES];
};

enum { USAGE_TEXT = 60 };

/* The current slot as text. Malformed text is an empty slot. */
void usage_parse(const char *text, struct usage_sums *out);
void usage_format(const struct usage_sums *usage, char out[USAGE_TEXT + 1]);

/* Adds a sample of the time `now` to the current slot. If that slot had ended and has samples,
 * moves it to *ended, begins a new one and returns true. */
bool usage_add(struct usage_sums *usage, int64_t now, const uint64_t values[USAGE_FIGURES],
               struct usage_sums *ended);

/* Adds the rows that a machine's rings get for a slot that has ended; `agent_id` is borrowed.
 * usage_store writes them, in the transaction of the heartbeat. */
void usage_rows(struct rows *rows, const char *agent_id, const struct usage_sums *ended,
                long history);
enum err usage_store(struct db *db, const struct rows *rows, struct error *e);

/* The last hours, in at most USAGE_POINTS_MAX steps. */
struct usage_span {
    int64_t from, now; /* Unix s; a step begins at `from` */
    int64_t step;      /* s */
    int64_t slot;      /* s: slot length of the ring that is read */
};

struct machine_usage {
    struct usage_span span;
    struct usage_sums steps[USAGE_POINTS_MAX]; /* with reports, oldest first */
    size_t count;
};

/* Loads the usage of a machine. ERR_NOT_FOUND when it is not in the scope. */
enum err usage_of_machine(struct db *db, const struct scope *scope, const char *agent_id,
                          long hours, struct machine_usage *out, struct error *e);

/* --- fleets */

/* One sample of the fleets. */
struct fleet_sample {
    int64_t now;           /* out: the database's clock, Unix s */
    bool taken;            /* out: no other worker has sampled this slot */
    struct idents tenants; /* out, if taken; freed by the caller */
    size_t tenant;         /* for usage_sample_users: index of the tenant */
};

/* Bodies of db_run; `sample` is a struct fleet_sample. The first claims the current slot, unless
 * another worker has, and samples all machines and each tenant's. The second samples the fleets of
 * a tenant's users. */
enum err usage_sample_fleets(struct db *db, void *sample, struct error *e);
enum err usage_sample_users(struct db *db, void *sample, struct error *e);

/* Usage in one step. */
struct fleet_usage {
    int64_t began;    /* Unix s */
    uint64_t samples; /* number of samples */
    struct usage_figure online, offline, sessions;
    struct usage_figure figures[USAGE_FIGURES]; /* the sums are over online.sum machines */
};

/* Loads the usage of the fleet in the scope. usage_fleet_next returns each step with samples,
 * oldest first. */
enum err usage_of_fleet(struct db *db, const struct scope *scope, long hours,
                        struct usage_span *span, struct error *e);
bool usage_fleet_next(struct db *db, struct fleet_usage *out);

#endif
