/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/db_worker.h"

#include <stdlib.h>

#include "api/dispatch.h"
#include "api/metrics.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "store/schema.h"

enum { RECONNECT_MS = 250 };

static enum err check_schema(struct db *db, void *unused, struct error *e)
{
    (void)unused;
    return schema_check(db, e);
}

/* Connects, and compares the schema: a worker that is newer than the schema would fail on each
 * statement, so it stays down instead, and says so once. `before` is the last result; the same
 * error is logged only once, however often it is met. */
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

/* The last worker that goes down answers all parked requests. Without it, each would wait for its
 * deadline only to be refused. */
static void go_down(struct scheduler *scheduler, enum err reason)
{
    struct waiters removed;

    coalescer_db_worker_down(scheduler->coalescer, reason, &removed);
    scheduler_refuse(&removed, reason);
}

/* Three steps after the rows are loaded, in this order. First the coalescer learns of it, so that
 * the key's next batch may start while these responses are delivered. Then the requests that this
 * batch wakes are parked. Its own responses come last. */
static enum err handle_batch(struct scheduler *scheduler, struct db *db, struct batch *batch)
{
    struct call **calls = xcalloc(batch->count, sizeof *calls);
    struct waiter *waiter = NULL;
    size_t count = 0;

    TAILQ_FOREACH (waiter, &batch->waiters, next)
        calls[count++] = waiter->call;
    enum err err = dispatch_batch(db, calls, count);
    metrics_batch(calls[0]->route->mode, count);
    metrics_database(db);
    coalescer_loaded(scheduler->coalescer, batch);
    for (size_t i = 0; i < count; i++) {
        if (calls[i]->wakes)
            scheduler_wake(scheduler, calls[i]->wakes, calls[i]->wake_key);
    }
    scheduler_settle(scheduler, batch);
    batch_free(batch);
    free(calls);
    return err;
}

/* Ends when the connection or the schema is lost, or the coalescer is stopped and empty. */
static void handle_until_down(struct scheduler *scheduler, struct db *db, bool reads_only)
{
    struct batch *batch = NULL;
    enum err err = ERR_OK;

    while (db_connected(db) && err != ERR_DB_SCHEMA &&
           (batch = coalescer_take(scheduler->coalescer, reads_only)))
        err = handle_batch(scheduler, db, batch);
    go_down(scheduler, err == ERR_DB_SCHEMA ? err : ERR_DB_AWAY);
}

void db_worker_run(struct scheduler *scheduler, bool reads_only, pthread_barrier_t *tried)
{
    struct db *db = db_new(scheduler->settings);
    bool first = true;
    enum err err = ERR_OK;

    do {
        err = bring_up(db, err);
        if (!err)
            coalescer_db_worker_up(scheduler->coalescer);
        if (first)
            pthread_barrier_wait(tried);
        first = false;
        if (!err)
            handle_until_down(scheduler, db, reads_only);
    } while (!coalescer_stopped(scheduler->coalescer, err ? RECONNECT_MS : 0));
    db_free(db);
}
