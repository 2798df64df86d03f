/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/scheduler.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

/* --- inboxes ---------------------------------------------------------------------------------- */

void inbox_open(struct inbox *inbox)
{
    *inbox = (struct inbox){.wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    pthread_mutex_init(&inbox->lock, NULL);
    TAILQ_INIT(&inbox->waiters);
}

void inbox_close(struct inbox *inbox)
{
    close(inbox->wakeup);
    pthread_mutex_destroy(&inbox->lock);
}

/* One write for any number of waiters. The caller holds the lock. */
static void wake(struct inbox *inbox)
{
    uint64_t one = 1;

    if (!inbox->woken && write(inbox->wakeup, &one, sizeof one) == sizeof one)
        inbox->woken = true;
}

void inbox_wake(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    wake(inbox);
    pthread_mutex_unlock(&inbox->lock);
}

void inbox_take(struct inbox *inbox, struct waiters *out)
{
    TAILQ_INIT(out);
    pthread_mutex_lock(&inbox->lock);
    TAILQ_CONCAT(out, &inbox->waiters, next);
    inbox->woken = false;
    pthread_mutex_unlock(&inbox->lock);
}

/* Hands a waiter back to its io thread. */
static void deliver(struct waiter *waiter)
{
    struct inbox *inbox = waiter->inbox;

    pthread_mutex_lock(&inbox->lock);
    TAILQ_INSERT_TAIL(&inbox->waiters, waiter, next);
    wake(inbox);
    pthread_mutex_unlock(&inbox->lock);
}

/* --- queues ----------------------------------------------------------------------------------- */

/* Long waits may hold five sixths of the connections: signals four, session ends one. The last
 * sixth stays free for short requests. A request that finds its waitlist full is answered at
 * once. */
static unsigned waitlist_capacity(const struct settings *settings, size_t connections_max,
                                  enum wait_for what)
{
    size_t most = connections_max / 6 * (what == WAIT_SIGNAL ? 4 : 1);
    size_t parked = (size_t)settings->api.max_parked;

    return (unsigned)(most < parked ? most : parked);
}

void scheduler_open(struct scheduler *scheduler, const struct settings *settings,
                    size_t connections_max)
{
    *scheduler = (struct scheduler){.settings = settings};
    scheduler->coalescer = coalescer_new((unsigned)settings->api.max_parked);
    for (enum wait_for what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++)
        scheduler->waitlists[what] =
            waitlist_new(waitlist_capacity(settings, connections_max, what));
}

void scheduler_close(struct scheduler *scheduler)
{
    coalescer_free(scheduler->coalescer);
    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++)
        waitlist_free(scheduler->waitlists[what]);
}

static struct waiter *take_first(struct waiters *waiters)
{
    struct waiter *waiter = TAILQ_FIRST(waiters);

    if (waiter)
        TAILQ_REMOVE(waiters, waiter, next);
    return waiter;
}

/* `since` stays that of the first time: of two polls of a machine the newer one waits, and a poll
 * that was woken and runs again is not newer for that. */
enum err scheduler_enqueue(struct scheduler *scheduler, struct waiter *waiter)
{
    const struct call *call = waiter->call;
    char key[CALL_KEY_MAX];
    bool keyed = call_key(call, key);

    if (!call->waited)
        waiter->since = clock_ms();
    waiter->weight = call->weight;
    waiter->writes = call->route->mode == DB_WRITE;
    waiter->deadline = clock_ms() + scheduler->settings->api.deadline * 1000;
    return coalescer_park(scheduler->coalescer, waiter, keyed ? key : NULL);
}

static void deliver_timeout(struct waiter *waiter)
{
    struct call *call = waiter->call;

    call_respond(call, call->route->timeout(call));
    deliver(waiter);
}

/* A call that has run before already has a true response: nothing has happened yet. So it is
 * answered with that, and not with an error, when the database fails or the worker stops. */
static void refuse(struct waiter *waiter, enum err code)
{
    struct call *call = waiter->call;

    if (call->waited) {
        deliver_timeout(waiter);
        return;
    }
    call_refuse(call, code, NULL);
    deliver(waiter);
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
static bool wait_for_signal(struct scheduler *scheduler, struct waiter *waiter)
{
    const struct call *call = waiter->call;
    struct waiters older;
    bool parked = waitlist_park_newest(scheduler->waitlists[WAIT_SIGNAL], waiter, call->who.user_id,
                                       call->until, &older);

    deliver_timeouts(&older);
    return parked;
}

/* The owner is a user of a tenant: no user may take all places. A tenant's id has no slash, so the
 * name is unique. */
static bool wait_for_end(struct scheduler *scheduler, struct waiter *waiter)
{
    const struct call *call = waiter->call;
    char owner[IDENT_MAX + USER_ID_MAX + 2];

    snprintf(owner, sizeof owner, "%s/%s", call->who.tenant_id, call->who.user_id);
    return waitlist_park(scheduler->waitlists[WAIT_END], waiter, call->id, owner, call->until);
}

/* The event may have come between the handler's query and here. The poller finds it within 100
 * ms. */
static void wait_for_event(struct scheduler *scheduler, struct waiter *waiter)
{
    struct call *call = waiter->call;
    bool again = call->waited;

    call->waited = true;
    if (call->route->waits_for == WAIT_SIGNAL ? wait_for_signal(scheduler, waiter)
                                              : wait_for_end(scheduler, waiter))
        return;
    if (!again && clock_ms() < call->until)
        call->wait = 0; /* no room: tell the client that it did not wait */
    deliver_timeout(waiter);
}

void scheduler_settle(struct scheduler *scheduler, struct batch *batch)
{
    struct waiter *waiter = NULL;

    while ((waiter = take_first(&batch->waiters))) {
        const struct call *call = waiter->call;
        if (call->outcome == OUTCOME_WAIT)
            wait_for_event(scheduler, waiter);
        else
            deliver(waiter);
    }
}

/* Returns whether its client has closed the connection. nginx closes its side then; other web
 * servers do not tell. */
static bool client_has_gone(const struct waiter *waiter)
{
    struct pollfd peer = {.fd = waiter->client, .events = POLLRDHUP};

    return poll(&peer, 1, 0) > 0 && peer.revents & (POLLHUP | POLLRDHUP | POLLERR);
}

/* Delivers nothing by itself: what woke the request is only a reason to look. So a wake-up too many
 * costs a query, and no wrong response. */
void scheduler_wake(struct scheduler *scheduler, enum wait_for what, const char *key)
{
    struct waiters woken;
    struct waiter *waiter = NULL;

    waitlist_wake(scheduler->waitlists[what], key, &woken);
    while ((waiter = take_first(&woken))) {
        enum err err = ERR_OK;
        if (client_has_gone(waiter)) /* a signal must not be leased to a client that has gone */
            deliver_timeout(waiter);
        else
            err = scheduler_enqueue(scheduler, waiter);
        if (err)
            refuse(waiter, err);
    }
}

bool scheduler_abandon(struct scheduler *scheduler, struct waiter *waiter)
{
    const struct call *call = waiter->call;
    struct waitlist *waitlist = scheduler->waitlists[call->route->waits_for];

    return waitlist && waitlist_abandon(waitlist, waiter);
}

void scheduler_expire(struct scheduler *scheduler)
{
    struct waiters timed_out;

    coalescer_expire(scheduler->coalescer, clock_ms(), &timed_out);
    scheduler_refuse(&timed_out, ERR_DEADLINE);
    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++) {
        waitlist_expire(scheduler->waitlists[what], clock_ms(), &timed_out);
        deliver_timeouts(&timed_out);
    }
}

void scheduler_end_waits(struct scheduler *scheduler)
{
    struct waiters timed_out;

    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++) {
        waitlist_close(scheduler->waitlists[what], &timed_out);
        deliver_timeouts(&timed_out);
    }
}
