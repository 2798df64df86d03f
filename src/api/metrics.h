/* SPDX-License-Identifier: MIT */
/* What workers count for GET /metrics, and the text in which Prometheus wants it
 * (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4). In CGI mode, whose
 * processes answer one request each, nothing is counted. */
#ifndef API_METRICS_H
#define API_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "api/route.h"
#include "common/settings.h"
#include "store/db.h"

/* Begins to count, in the file of metrics.file if there is one. Where that cannot be used, which is
 * logged, a worker tells its own numbers only. */
void metrics_open(const struct settings *settings);
void metrics_close(void);

/* --- what happens; from any thread ------------------------------------------------------------ */

/* A request was answered, so long after it had come. `route` is NULL when there is none for it. */
void metrics_request(const struct route *route, int status, int64_t us);

/* So many requests were answered by asking the database once. */
void metrics_batch(enum db_mode mode, size_t requests);

/* What has gone wrong with a connection to the database since the last call. */
void metrics_database(struct db *db);

/* How much there is of what. */
struct metrics_state {
    size_t connections;         /* that are open */
    size_t waiting[WAIT_COUNT]; /* requests; those of WAIT_NOTHING wait for the database */
    bool database_away;
};

/* Now and then, from one thread. */
void metrics_state(const struct metrics_state *state);

/* --- the text --------------------------------------------------------------------------------- */

/* One number. Those of the same name follow each other, and the first has the type and the help. */
struct series {
    const char *name;
    const char *label; /* `name="value"`; NULL: none */
    const char *type, *help;
};

void metrics_write_series(FILE *out, const struct series *series, size_t count,
                          const uint64_t *values);

/* All that workers have counted, those of this file that have ended included. */
void metrics_write(FILE *out);

#endif
