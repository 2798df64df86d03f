/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/poller.h"

#include <stdlib.h>

#include "api/metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/signals.h"
#include "store/usage.h"

enum {
    POLL_MS = 100,
    RETRY_MS = 1000,  /* after a database error */
    EXPIRE_MS = 60000 /* between runs of signals_expire */
};

struct events {
    struct scheduler *scheduler;
    struct idents agents; /* agents with due signals */
    struct idents closed; /* closed sessions that requests wait for */
};

/* Asks only for the sessions that requests of this worker wait for. */
static enum err poll_ends(struct db *db, struct events *events, struct error *e)
{
    struct idents waited = {0};
    char **keys = NULL;
    size_t count = 0;

    waitlist_keys(events->scheduler->waitlists[WAIT_END], &keys, &count);
    for (size_t i = 0; i < count; i++) {
        idents_add(&waited, keys[i]);
        free(keys[i]);
    }
    free(keys);
    enum err err = signals_closed(db, &waited, &events->closed, e);
    idents_free(&waited);
    return err;
}

/* Asks for all machines with due signals, and not for those that wait here, so its cost does not
 * grow with the number of polls. */
static enum err poll_database(struct db *db, void *context, struct error *e)
{
    struct events *events = context;
    enum err err = ERR_OK;

    idents_free(&events->agents); /* from an earlier attempt */
    idents_free(&events->closed);
    if (waitlist_count(events->scheduler->waitlists[WAIT_SIGNAL]))
        err = signals_due_agents(db, &events->agents, e);
    if (!err && waitlist_count(events->scheduler->waitlists[WAIT_END]))
        err = poll_ends(db, events, e);
    return err;
}

static void wake_all(struct scheduler *scheduler, enum wait_for what, const struct idents *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        scheduler_wake(scheduler, what, keys->items[i]);
}

/* Waits longer after an error, and logs it once. A machine that polls meanwhile still gets its
 * signal: from the next heartbeat's response, or when its poll runs again. */
static enum err poll_once(struct scheduler *scheduler, struct db *db, enum err before)
{
    struct events events = {.scheduler = scheduler};
    struct error e = {0};
    enum err err = db_run(db, DB_READ, poll_database, &events, &e);

    if (err && err != before)
        log_event(LEVEL_WARNING, "poll", "error=%s detail=\"%s\"", error_info(err)->name, e.detail);
    if (!err) {
        wake_all(scheduler, WAIT_SIGNAL, &events.agents);
        wake_all(scheduler, WAIT_END, &events.closed);
    }
    idents_free(&events.agents);
    idents_free(&events.closed);
    return err;
}

static bool has_waiters(const struct scheduler *scheduler)
{
    return waitlist_count(scheduler->waitlists[WAIT_SIGNAL]) ||
           waitlist_count(scheduler->waitlists[WAIT_END]);
}

/* Every worker does this, once a minute: the update itself decides which of them closes a
 * session. */
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

void poller_run(struct scheduler *scheduler)
{
    struct db *db = db_new(scheduler->settings);
    int64_t next_expiry = 0;
    enum err err = ERR_OK;

    while (!coalescer_stopped(scheduler->coalescer, err ? RETRY_MS : POLL_MS)) {
        err = has_waiters(scheduler) ? poll_once(scheduler, db, err) : ERR_OK;
        if (clock_ms() >= next_expiry) {
            next_expiry = clock_ms() + EXPIRE_MS;
            expire(db);
        }
        metrics_database(db);
    }
    db_free(db);
}

/* --- the sampler ------------------------------------------------------------------------------ */

enum { SAMPLER_RETRY_S = 10 /* after a database error */ };

/* One transaction per tenant, to keep each short. */
static enum err sample_users(const struct scheduler *scheduler, struct db *db,
                             struct fleet_sample *fleets, struct error *e)
{
    enum err err = ERR_OK;

    for (fleets->tenant = 0; !err && fleets->tenant < fleets->tenants.count; fleets->tenant++) {
        if (coalescer_stopped(scheduler->coalescer, 0))
            break;
        err = db_run(db, DB_WRITE, usage_sample_users, fleets, e);
    }
    return err;
}

/* Samples once. Returns the seconds until the next sample; the connection is closed in between. */
static int sample(const struct scheduler *scheduler)
{
    struct db *db = db_new(scheduler->settings);
    struct fleet_sample fleets = {0};
    struct error e = {0};
    enum err err = db_run(db, DB_WRITE, usage_sample_fleets, &fleets, &e);

    if (!err)
        err = sample_users(scheduler, db, &fleets, &e);
    if (err)
        log_event(LEVEL_WARNING, "usage", "error=%s detail=\"%s\"", error_info(err)->name,
                  e.detail);
    idents_free(&fleets.tenants);
    db_free(db);
    return err ? SAMPLER_RETRY_S : (int)(USAGE_SLOT - fleets.now % USAGE_SLOT);
}

void sampler_run(struct scheduler *scheduler)
{
    int wait = 0;

    while (!coalescer_stopped(scheduler->coalescer, wait * 1000))
        wait = sample(scheduler);
}
