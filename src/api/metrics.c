/* SPDX-License-Identifier: MIT */
/* All counters of a worker are one array: those of each route, then the others. Their place follows
 * from the order of the tables below, and `meaning` hashes these tables. So the file needs no
 * names, counting needs no lookup, and an upgrade that adds a route starts a new file by itself. */
#include "config.h"
#include "api/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/metrics_memory.h"
#include "base/log.h"
#include "base/xalloc.h"

/* --- the numbers ------------------------------------------------------------------------------ */

/* The statuses that have a counter of their own; the last one stands for all others. A fixed list
 * bounds the number of time series, whatever a bug may answer. */
static const int statuses[] = {200, 201, 202, 204, 304, 400, 401, 403, 404, 405,
                               406, 409, 410, 413, 415, 429, 500, 503, 0};

/* Upper limits of the latency's buckets, in microseconds and as text in seconds. */
static const struct {
    int64_t us;
    const char *le;
} buckets[] = {
    {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},
    {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},
    {1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},   {10000000, "10"}, {INT64_MAX, "+Inf"},
};

enum {
    STATUSES = sizeof statuses / sizeof *statuses,
    BUCKETS = sizeof buckets / sizeof *buckets,
    /* a route's counters: requests by status, then latency by bucket, then the sum */
    LATENCY = STATUSES,
    LATENCY_SUM = LATENCY + BUCKETS, /* us */
    ROUTE_WIDTH
};

/* The other counters follow those of the routes. */
enum counter {
    COUNTER_READS,
    COUNTER_WRITES,
    COUNTER_READ_BATCHES,
    COUNTER_WRITE_BATCHES,
    COUNTER_DB,
    COUNTER_DB_DATA,
    COUNTER_DB_BUSY,
    COUNTER_DB_CONFLICT,
    COUNTER_DB_AWAY,
    COUNTER_DB_SCHEMA,
    COUNTER_RECONNECTS,
    COUNTERS
};

static const struct series counter_series[COUNTERS] = {
    [COUNTER_READS] = {"vsay_database_requests_total", "kind=\"read\"", "counter",
                       "Requests that were answered with the database."},
    [COUNTER_WRITES] = {"vsay_database_requests_total", "kind=\"write\"", NULL, NULL},
    [COUNTER_READ_BATCHES] = {"vsay_database_batches_total", "kind=\"read\"", "counter",
                              "Queries for them: one query serves all requests that want the same "
                              "answer or form a batch."},
    [COUNTER_WRITE_BATCHES] = {"vsay_database_batches_total", "kind=\"write\"", NULL, NULL},
    [COUNTER_DB] = {"vsay_database_errors_total", "error=\"db\"", "counter",
                    "Failed attempts, by the log's name of the error; includes attempts to "
                    "connect, and those that were repeated."},
    [COUNTER_DB_DATA] = {"vsay_database_errors_total", "error=\"db_data\"", NULL, NULL},
    [COUNTER_DB_BUSY] = {"vsay_database_errors_total", "error=\"db_busy\"", NULL, NULL},
    [COUNTER_DB_CONFLICT] = {"vsay_database_errors_total", "error=\"db_conflict\"", NULL, NULL},
    [COUNTER_DB_AWAY] = {"vsay_database_errors_total", "error=\"db_away\"", NULL, NULL},
    [COUNTER_DB_SCHEMA] = {"vsay_database_errors_total", "error=\"db_schema\"", NULL, NULL},
    [COUNTER_RECONNECTS] = {"vsay_database_reconnects_total", NULL, "counter",
                            "Connections made to the database after one was lost."},
};

static const enum counter counter_of_error[ERR_COUNT] = {
    [ERR_DB] = COUNTER_DB,           [ERR_DB_DATA] = COUNTER_DB_DATA,
    [ERR_DB_BUSY] = COUNTER_DB_BUSY, [ERR_DB_CONFLICT] = COUNTER_DB_CONFLICT,
    [ERR_DB_AWAY] = COUNTER_DB_AWAY, [ERR_DB_SCHEMA] = COUNTER_DB_SCHEMA,
};

enum gauge {
    GAUGE_WAITING_DATABASE,
    GAUGE_WAITING_SIGNAL,
    GAUGE_WAITING_END,
    GAUGE_CONNECTIONS,
    GAUGE_WORKERS,
    GAUGE_DATABASE_AWAY,
    GAUGE_SUMS,                 /* the ones above are summed over workers */
    GAUGE_STARTED = GAUGE_SUMS, /* Unix seconds */
    GAUGES
};

static const struct series gauge_series[GAUGE_SUMS] = {
    [GAUGE_WAITING_DATABASE] = {"vsay_requests_waiting", "for=\"database\"", "gauge",
                                "Requests that wait: for the database, a signal (an agent's poll) "
                                "or the end of a session (a DELETE that prefers to)."},
    [GAUGE_WAITING_SIGNAL] = {"vsay_requests_waiting", "for=\"signal\"", NULL, NULL},
    [GAUGE_WAITING_END] = {"vsay_requests_waiting", "for=\"end\"", NULL, NULL},
    [GAUGE_CONNECTIONS] = {"vsay_connections", NULL, "gauge",
                           "Open connections from web servers, idle ones included."},
    [GAUGE_WORKERS] = {"vsay_workers", NULL, "gauge", "Running workers."},
    [GAUGE_DATABASE_AWAY] = {"vsay_workers_database_away", NULL, "gauge",
                             "Workers without a usable connection to the database, which refuse "
                             "requests."},
};

/* --- counting --------------------------------------------------------------------------------- */

static struct metrics_memory *memory; /* NULL: nothing is counted */
static metric *counters, *gauges;     /* this worker's */
static bool shared;                   /* what was logged last */
static uint64_t started;              /* Unix seconds */

static size_t route_counters(void)
{
    return (routes_count + 1) * ROUTE_WIDTH; /* the last is for requests without a route */
}

/* FNV-1a */
static uint64_t hash(uint64_t so_far, const char *text)
{
    for (; text && *text; text++)
        so_far = (so_far ^ (unsigned char)*text) * 0x100000001b3;
    return (so_far ^ '\n') * 0x100000001b3;
}

static uint64_t hash_series(uint64_t so_far, const struct series *series, size_t count)
{
    for (size_t i = 0; i < count; i++)
        so_far = hash(hash(so_far, series[i].name), series[i].label);
    return so_far;
}

/* Workers of different versions must not share a file: this number changes with the counters'
 * order. */
static uint64_t meaning(void)
{
    uint64_t all = 0xcbf29ce484222325;

    for (size_t i = 0; i < routes_count; i++)
        all = hash(all, routes[i].pattern) + routes[i].methods;
    for (size_t i = 0; i < STATUSES; i++)
        all = hash(all, "") + (unsigned)statuses[i];
    for (size_t i = 0; i < BUCKETS; i++)
        all = hash(all, buckets[i].le);
    all = hash_series(all, counter_series, COUNTERS);
    return hash_series(all, gauge_series, GAUGE_SUMS);
}

/* Without metrics.file, use systemd's RuntimeDirectory= if there is one. */
static char *file_path(const struct settings *settings)
{
    const char *directory = getenv("RUNTIME_DIRECTORY");

    if (*settings->metrics.file)
        return xstrdup(settings->metrics.file);
    return directory && *directory == '/' ? xasprintf("%s/metrics", directory) : NULL;
}

void metrics_open(const struct settings *settings)
{
    struct metrics_layout layout = {meaning(), route_counters() + COUNTERS, GAUGES};
    struct error e = {0};
    char *path = file_path(settings);

    if (metrics_memory_open(path, &layout, &memory, &e))
        log_event(LEVEL_WARNING, "metrics",
                  "detail=\"%s; this worker reports its own numbers only\"", e.detail);
    free(path);
    counters = metrics_memory_counters(memory);
    gauges = metrics_memory_gauges(memory);
    shared = metrics_memory_shared(memory);
    started = (uint64_t)time(NULL);
    metrics_state(&(struct metrics_state){.database_away = true});
}

void metrics_close(void)
{
    metrics_memory_close(memory);
    memory = NULL;
}

/* Relaxed: the numbers need no order among each other, only to be complete. */
static void add(metric *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* A search of a short table, most often ended by its first entry. */
static size_t status_index(int status)
{
    size_t i = 0;

    while (i < STATUSES - 1 && statuses[i] != status)
        i++;
    return i;
}

static size_t bucket_index(int64_t us)
{
    size_t i = 0;

    while (us > buckets[i].us)
        i++;
    return i;
}

void metrics_request(const struct route *route, int status, int64_t us)
{
    if (!memory)
        return;
    metric *of = counters + (route ? (size_t)(route - routes) : routes_count) * ROUTE_WIDTH;
    add(&of[status_index(status)], 1);
    add(&of[LATENCY + bucket_index(us)], 1);
    add(&of[LATENCY_SUM], (uint64_t)us);
}

void metrics_batch(enum db_mode mode, size_t requests)
{
    if (!memory)
        return;
    metric *of = counters + route_counters();
    add(&of[mode == DB_WRITE ? COUNTER_WRITES : COUNTER_READS], requests);
    add(&of[mode == DB_WRITE ? COUNTER_WRITE_BATCHES : COUNTER_READ_BATCHES], 1);
}

/* Errors are counted where the connection is used, and taken from it afterwards, so that the store
 * need not know of metrics. */
void metrics_database(struct db *db)
{
    struct db_trouble trouble = db_take_trouble(db);

    if (!memory)
        return;
    metric *of = counters + route_counters();
    for (enum err err = ERR_DB; err <= ERR_DB_SCHEMA; err++) {
        if (trouble.errors[err])
            add(&of[counter_of_error[err]], trouble.errors[err]);
    }
    if (trouble.reconnects)
        add(&of[COUNTER_RECONNECTS], trouble.reconnects);
}

static void set(enum gauge gauge, uint64_t value)
{
    atomic_store_explicit(&gauges[gauge], value, memory_order_relaxed);
}

/* Called every 100 ms, which is more often than any scrape. So a change costs nothing where it
 * happens. */
void metrics_state(const struct metrics_state *state)
{
    set(GAUGE_WAITING_DATABASE, state->waiting[WAIT_NOTHING]);
    set(GAUGE_WAITING_SIGNAL, state->waiting[WAIT_SIGNAL]);
    set(GAUGE_WAITING_END, state->waiting[WAIT_END]);
    set(GAUGE_CONNECTIONS, state->connections);
    set(GAUGE_WORKERS, 1);
    set(GAUGE_DATABASE_AWAY, state->database_away);
    set(GAUGE_STARTED, started);
    if (shared && !metrics_memory_shared(memory)) {
        shared = false;
        log_event(LEVEL_WARNING, "metrics",
                  "detail=\"metrics.file was truncated: this worker reports "
                  "its own numbers only, from 0\"");
    }
}

/* --- text output ------------------------------------------------------------------------------ */

static void write_family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_write_series(FILE *out, const struct series *series, size_t count,
                          const uint64_t *values)
{
    for (size_t i = 0; i < count; i++) {
        if (series[i].help)
            write_family(out, series[i].name, series[i].type, series[i].help);
        if (series[i].label)
            fprintf(out, "%s{%s} %" PRIu64 "\n", series[i].name, series[i].label, values[i]);
        else
            fprintf(out, "%s %" PRIu64 "\n", series[i].name, values[i]);
    }
}

static const char *method_of(const struct route *route)
{
    return route->methods & METHOD_GET ? "GET" : route->methods & METHOD_POST ? "POST" : "DELETE";
}

/* Writes the labels of route `i`. */
static void write_route(FILE *out, size_t i)
{
    if (i < routes_count)
        fprintf(out, "route=\"%s\",method=\"%s\"", routes[i].pattern, method_of(&routes[i]));
    else
        fputs("route=\"other\",method=\"other\"", out);
}

/* Series that were never counted are left out: there is one for each route and each status. */
static void write_requests(FILE *out, const uint64_t *sums)
{
    write_family(out, "vsay_requests_total", "counter",
                 "Requests that were answered, HEAD as GET. Paths without a route are \"other\".");
    for (size_t i = 0; i <= routes_count; i++) {
        for (size_t status = 0; status < STATUSES; status++) {
            uint64_t value = sums[i * ROUTE_WIDTH + status];
            if (!value)
                continue;
            fputs("vsay_requests_total{", out);
            write_route(out, i);
            if (statuses[status])
                fprintf(out, ",status=\"%d\"} %" PRIu64 "\n", statuses[status], value);
            else
                fprintf(out, ",status=\"other\"} %" PRIu64 "\n", value);
        }
    }
}

/* Prometheus' buckets are cumulative, ours are not: a request then costs one addition, and not one
 * for each larger bucket. */
static void write_histogram(FILE *out, size_t i, const uint64_t *of)
{
    static const char name[] = "vsay_request_duration_seconds";
    uint64_t count = 0;

    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        count += of[LATENCY + bucket];
        fprintf(out, "%s_bucket{", name);
        write_route(out, i);
        fprintf(out, ",le=\"%s\"} %" PRIu64 "\n", buckets[bucket].le, count);
    }
    fprintf(out, "%s_sum{", name);
    write_route(out, i);
    fprintf(out, "} %" PRIu64 ".%06" PRIu64 "\n", of[LATENCY_SUM] / 1000000,
            of[LATENCY_SUM] % 1000000);
    fprintf(out, "%s_count{", name);
    write_route(out, i);
    fprintf(out, "} %" PRIu64 "\n", count);
}

static void write_latencies(FILE *out, const uint64_t *sums)
{
    write_family(out, "vsay_request_duration_seconds", "histogram",
                 "From the arrival of a request until its response is written, waiting included: "
                 "an agent's poll waits on purpose.");
    for (size_t i = 0; i <= routes_count; i++) {
        const uint64_t *of = sums + i * ROUTE_WIDTH;
        uint64_t count = 0;
        for (size_t bucket = 0; bucket < BUCKETS; bucket++)
            count += of[LATENCY + bucket];
        if (count)
            write_histogram(out, i, of);
    }
}

static void write_gauges(FILE *out)
{
    uint64_t sums[GAUGE_SUMS] = {0};

    write_family(out, "vsay_worker_start_time_seconds", "gauge",
                 "Start of each running worker, in Unix time. A new worker may take the number of "
                 "one that has ended.");
    for (size_t slot = 0; slot < METRICS_SLOTS; slot++) {
        const metric *of = metrics_memory_live_gauges(memory, slot);
        for (size_t i = 0; of && i < GAUGE_SUMS; i++)
            sums[i] += atomic_load(&of[i]);
        if (of)
            fprintf(out, "vsay_worker_start_time_seconds{worker=\"%zu\"} %" PRIu64 "\n", slot,
                    atomic_load(&of[GAUGE_STARTED]));
    }
    metrics_write_series(out, gauge_series, GAUGE_SUMS, sums);
}

/* Counters are read one after the other while others count, so sums of one scrape may differ by the
 * requests of that moment. */
void metrics_write(FILE *out)
{
    static const struct series is_shared = {
        "vsay_metrics_shared", NULL, "gauge",
        "1: the numbers of requests, connections and workers are sums over the workers that share "
        "metrics.file. 0: they are those of the worker that answered."};

    write_family(out, "vsay_build_info", "gauge", "Version of vsay-api.");
    fputs("vsay_build_info{version=\"" PACKAGE_VERSION "\"} 1\n", out);
    if (!memory)
        return;
    uint64_t *sums = xcalloc(route_counters() + COUNTERS, sizeof *sums);
    metrics_memory_sum(memory, sums);
    metrics_write_series(out, &is_shared, 1, (const uint64_t[]){metrics_memory_shared(memory)});
    write_requests(out, sums);
    write_latencies(out, sums);
    metrics_write_series(out, counter_series, COUNTERS, sums + route_counters());
    write_gauges(out);
    free(sums);
}
