/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/scheduler.h"

#include <stdio.h>

#include "api/connection.h"
#include "api/worker.h"
#include "base/clock.h"

static struct waiter *take_first(struct waiters *waiters)
{
    struct waiter *waiter = TAILQ_FIRST(waiters);

    if (waiter)
        TAILQ_REMOVE(waiters, waiter, next);
    return waiter;
}

enum err scheduler_enqueue(struct worker *worker, struct waiter *waiter)
{
    const struct call *call = waiter->call;
    char key[CALL_KEY_MAX];
    bool keyed = call_key(call, key);

    if (!call->waited)
        waiter->since = clock_ms();
    waiter->weight = call->weight;
    waiter->writes = call->route->mode == DB_WRITE;
    waiter->deadline = clock_ms() + worker->settings->api.deadline * 1000;
    return coalescer_park(worker->coalescer, waiter, keyed ? key : NULL);
}

static void deliver_timeout(struct waiter *waiter)
{
    struct call *call = waiter->call;

    call_respond(call, call->route->timeout(call));
    connection_deliver(waiter);
}

/* A call that has run before already has a true answer: nothing has happened yet. */
static void refuse(struct waiter *waiter, enum err code)
{
    struct call *call = waiter->call;

    if (call->waited) {
        deliver_timeout(waiter);
        return;
    }
    call_refuse(call, code, NULL);
    connection_deliver(waiter);
}

void scheduler_refuse(struct waiters *waiters, enum err code)
{
    struct waiter *waiter = NULL;

    while ((waiter = take_first(waiters)))
        refuse(waiter, code);
}

static void deliver_timeouts(struct waiters *timed_out)
{
    struct waiter *waiter = NULL;

    while ((waiter = take_first(timed_out)))
        deliver_timeout(waiter);
}

/* An agent that polls again has given up its older poll, though this process may not have
 * noticed. */
static bool wait_for_signal(struct worker *worker, struct waiter *waiter)
{
    const struct call *call = waiter->call;
    struct waiters older;
    bool parked = waitlist_park_newest(worker->waitlists[WAIT_SIGNAL], waiter, call->who.user_id,
                                       call->until, &older);

    deliver_timeouts(&older);
    return parked;
}

static bool wait_for_end(struct worker *worker, struct waiter *waiter)
{
    const struct call *call = waiter->call;
    char owner[IDENT_MAX + USER_ID_MAX + 2];

    snprintf(owner, sizeof owner, "%s/%s", call->who.tenant_id, call->who.user_id);
    return waitlist_park(worker->waitlists[WAIT_END], waiter, call->id, owner, call->until);
}

static void wait_for_event(struct worker *worker, struct waiter *waiter)
{
    struct call *call = waiter->call;
    bool again = call->waited;

    call->waited = true;
    if (call->route->waits_for == WAIT_SIGNAL ? wait_for_signal(worker, waiter)
                                              : wait_for_end(worker, waiter))
        return;
    if (!again && clock_ms() < call->until)
        call->wait = 0; /* no room: tell the client that it did not wait */
    deliver_timeout(waiter);
}

void scheduler_settle(struct worker *worker, struct batch *batch)
{
    struct waiter *waiter = NULL;

    while ((waiter = take_first(&batch->waiters))) {
        const struct call *call = waiter->call;
        if (call->outcome == OUTCOME_WAIT)
            wait_for_event(worker, waiter);
        else
            connection_deliver(waiter);
    }
}

void scheduler_wake(struct worker *worker, enum wait_for what, const char *key)
{
    struct waiters woken;
    struct waiter *waiter = NULL;

    waitlist_wake(worker->waitlists[what], key, &woken);
    while ((waiter = take_first(&woken))) {
        enum err err = ERR_OK;
        if (connection_has_gone(waiter)) /* a signal must not be leased to a client that has gone */
            deliver_timeout(waiter);
        else
            err = scheduler_enqueue(worker, waiter);
        if (err)
            refuse(waiter, err);
    }
}

bool scheduler_abandon(struct worker *worker, struct waiter *waiter)
{
    const struct call *call = waiter->call;
    struct waitlist *waitlist = worker->waitlists[call->route->waits_for];

    return waitlist && waitlist_abandon(waitlist, waiter);
}

void scheduler_expire(struct worker *worker, bool closing)
{
    struct waiters timed_out;

    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++) {
        if (closing)
            waitlist_close(worker->waitlists[what], &timed_out);
        else
            waitlist_expire(worker->waitlists[what], clock_ms(), &timed_out);
        deliver_timeouts(&timed_out);
    }
}
