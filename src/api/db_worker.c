/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/db_worker.h"

#include <stdlib.h>

#include "api/metrics.h"
#include "api/scheduler.h"
#include "api/worker.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "store/schema.h"

enum { RECONNECT_MS = 250 };

static enum err check_schema(struct db *db, void *unused, struct error *e)
{
    (void)unused;
    return schema_check(db, e);
}

static enum err bring_up(struct db *db, enum err before)
{
    struct error e = {0};
    enum err err = db_run(db, DB_READ, check_schema, NULL, &e);

    metrics_database(db);
    if (!err)
        log_event(LEVEL_INFO, "db_up", "host=%s", db_host(db));
    else if (err != before)
        log_event(LEVEL_ERROR, "db_down", "error=%s detail=\"%s\"", error_info(err)->name,
                  e.detail);
    return err;
}

static void go_down(struct worker *worker, enum err reason)
{
    struct waiters removed;

    coalescer_db_worker_down(worker->coalescer, reason, &removed);
    scheduler_refuse(&removed, reason);
}

static enum err handle_batch(struct worker *worker, struct db *db, struct batch *batch)
{
    struct call **calls = xcalloc(batch->count, sizeof *calls);
    struct waiter *waiter = NULL;
    size_t count = 0;

    TAILQ_FOREACH (waiter, &batch->waiters, next)
        calls[count++] = waiter->call;
    enum err err = dispatch_batch(db, calls, count);
    metrics_batch(calls[0]->route->mode, count);
    metrics_database(db);
    coalescer_loaded(worker->coalescer, batch);
    for (size_t i = 0; i < count; i++) {
        if (calls[i]->wakes)
            scheduler_wake(worker, calls[i]->wakes, calls[i]->wake_key);
    }
    scheduler_settle(worker, batch);
    batch_free(batch);
    free(calls);
    return err;
}

static void handle_until_down(struct worker *worker, struct db *db, bool reads_only)
{
    struct batch *batch = NULL;
    enum err err = ERR_OK;

    while (db_connected(db) && err != ERR_DB_SCHEMA &&
           (batch = coalescer_take(worker->coalescer, reads_only)))
        err = handle_batch(worker, db, batch);
    go_down(worker, err == ERR_DB_SCHEMA ? err : ERR_DB_AWAY);
}

void db_worker_run(void *context)
{
    struct worker *worker = context;
    struct db *db = db_new(worker->settings);
    bool reads_only =
        atomic_fetch_add(&worker->db_workers, 1) == 0 && worker->settings->api.db_workers > 1;
    bool first = true;
    enum err err = ERR_OK;

    do {
        err = bring_up(db, err);
        if (!err)
            coalescer_db_worker_up(worker->coalescer);
        if (first)
            pthread_barrier_wait(&worker->tried);
        first = false;
        if (!err)
            handle_until_down(worker, db, reads_only);
    } while (!coalescer_stopped(worker->coalescer, err ? RECONNECT_MS : 0));
    db_free(db);
}
