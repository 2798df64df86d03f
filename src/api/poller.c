/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/poller.h"

#include <stdlib.h>

#include "api/metrics.h"
#include "api/scheduler.h"
#include "api/worker.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/signals.h"

enum {
    LOOK_MS = 100,
    AWAY_MS = 1000,   /* until a database that failed is tried again */
    EXPIRE_MS = 60000 /* between two looks for what has expired */
};

struct look {
    struct worker *worker;
    struct idents agents; /* with signals that are due */
    struct idents closed; /* sessions, of those that are waited for */
};

static enum err look_for_ends(struct db *db, struct look *look, struct error *e)
{
    struct idents waited = {0};
    char **keys = NULL;
    size_t count = 0;

    waitlist_keys(look->worker->waitlists[WAIT_END], &keys, &count);
    for (size_t i = 0; i < count; i++) {
        idents_add(&waited, keys[i]);
        free(keys[i]);
    }
    free(keys);
    enum err err = signals_closed(db, &waited, &look->closed, e);
    idents_free(&waited);
    return err;
}

static enum err look_at_database(struct db *db, void *context, struct error *e)
{
    struct look *look = context;
    enum err err = ERR_OK;

    idents_free(&look->agents); /* of an earlier attempt */
    idents_free(&look->closed);
    if (waitlist_count(look->worker->waitlists[WAIT_SIGNAL]))
        err = signals_due_agents(db, &look->agents, e);
    if (!err && waitlist_count(look->worker->waitlists[WAIT_END]))
        err = look_for_ends(db, look, e);
    return err;
}

static void wake_all(struct worker *worker, enum wait_for what, const struct idents *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        scheduler_wake(worker, what, keys->items[i]);
}

static enum err look(struct worker *worker, struct db *db, enum err before)
{
    struct look look = {.worker = worker};
    struct error e = {0};
    enum err err = db_run(db, DB_READ, look_at_database, &look, &e);

    if (err && err != before)
        log_event(LEVEL_WARNING, "watch", "error=%s detail=\"%s\"", error_info(err)->name,
                  e.detail);
    if (!err) {
        wake_all(worker, WAIT_SIGNAL, &look.agents);
        wake_all(worker, WAIT_END, &look.closed);
    }
    idents_free(&look.agents);
    idents_free(&look.closed);
    return err;
}

static bool anybody_waits(const struct worker *worker)
{
    return waitlist_count(worker->waitlists[WAIT_SIGNAL]) ||
           waitlist_count(worker->waitlists[WAIT_END]);
}

static void expire(struct db *db)
{
    struct idents expired = {0};
    struct error e = {0};

    if (db_run(db, DB_WRITE, signals_expire, &expired, &e)) {
        log_event(LEVEL_WARNING, "expiry", "detail=\"%s\"", e.detail);
        idents_free(&expired);
    }
    for (size_t i = 0; i < expired.count; i++)
        log_event(LEVEL_INFO, "session_outcome", "session=%s outcome=expired", expired.items[i]);
    idents_free(&expired);
}

void poller_run(void *context)
{
    struct worker *worker = context;
    struct db *db = db_new(worker->settings);
    int64_t next_expiry = 0;
    enum err err = ERR_OK;

    while (!coalescer_stopped(worker->coalescer, err ? AWAY_MS : LOOK_MS)) {
        err = anybody_waits(worker) ? look(worker, db, err) : ERR_OK;
        if (clock_ms() >= next_expiry) {
            next_expiry = clock_ms() + EXPIRE_MS;
            expire(db);
        }
        metrics_database(db);
    }
    db_free(db);
}
