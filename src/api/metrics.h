/* SPDX-License-Identifier: MIT */
/* Metrics: the counters and gauges behind GET /metrics, and their Prometheus text format
 * (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4). A CGI process
 * answers one request and counts nothing.
 *
 * Any worker may answer GET /metrics, so all workers count in one shared file (metrics_memory.h). A
 * request costs three atomic additions, which `make bench` cannot see. */
#ifndef API_METRICS_H
#define API_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "api/route.h"
#include "common/settings.h"
#include "store/db.h"

/* Starts counting, in metrics.file if it is set. A file that cannot be used is logged, and the
 * worker reports its own numbers only. */
void metrics_open(const struct settings *settings);
void metrics_close(void);

/* --- counting; from any thread ---------------------------------------------------------------- */

/* Counts an answered request and its duration. `route` is NULL when the request had none. */
void metrics_request(const struct route *route, int status, int64_t us);

/* Counts a batch: this many requests, one query. */
void metrics_batch(enum db_mode mode, size_t requests);

/* Counts the errors of a database connection since the last call. */
void metrics_database(struct db *db);

/* The gauges' values. */
struct metrics_state {
    size_t connections;         /* open ones */
    size_t waiting[WAIT_COUNT]; /* requests; WAIT_NOTHING means the database */
    bool database_away;
};

/* Sets the gauges. From one thread only. */
void metrics_state(const struct metrics_state *state);

/* --- text output ------------------------------------------------------------------------------ */

/* One number. Those with the same name are adjacent; the first has the type and the help. */
struct series {
    const char *name;
    const char *label; /* `name="value"`; NULL: none */
    const char *type, *help;
};

void metrics_write_series(FILE *out, const struct series *series, size_t count,
                          const uint64_t *values);

/* Writes all numbers, including those of workers that have ended. */
void metrics_write(FILE *out);

#endif
