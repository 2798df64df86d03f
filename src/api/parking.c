/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/parking.h"

#include <stdio.h>

static struct waiter *take_first(struct waiters *waiters)
{
    struct waiter *waiter = TAILQ_FIRST(waiters);

    if (waiter)
        TAILQ_REMOVE(waiters, waiter, next);
    return waiter;
}

enum err parking_ask(struct app *app, struct waiter *waiter)
{
    const struct question *question = waiter->question;
    char key[QUESTION_KEY_MAX];
    bool keyed = question_key(question, key);

    if (!question->waited)
        waiter->since = board_now();
    waiter->weight = question->weight;
    waiter->writes = question->route->mode == DB_WRITE;
    waiter->deadline = board_now() + app->settings->api.deadline * 1000;
    return board_park(app->board, waiter, keyed ? key : NULL);
}

static void deliver_late(struct app *app, struct waiter *waiter)
{
    const struct question *question = waiter->question;
    struct reply *reply = question->route->late(question);

    app->gateway->deliver(waiter, reply);
    reply_release(reply);
}

/* What was asked already, and waited, has an answer that is true. */
static void refuse(struct app *app, struct waiter *waiter, enum err code)
{
    const struct question *question = waiter->question;

    if (question->waited) {
        deliver_late(app, waiter);
        return;
    }
    struct reply *reply = reply_error(code, NULL);
    app->gateway->deliver(waiter, reply);
    reply_release(reply);
}

void parking_refuse(struct app *app, struct waiters *waiters, enum err code)
{
    struct waiter *waiter = NULL;

    while ((waiter = take_first(waiters)))
        refuse(app, waiter, code);
}

static void deliver_all_late(struct app *app, struct waiters *late)
{
    struct waiter *waiter = NULL;

    while ((waiter = take_first(late)))
        deliver_late(app, waiter);
}

/* An agent that polls again has given up its older poll, which may not have been noticed here. */
static bool wait_for_signal(struct app *app, struct waiter *waiter)
{
    const struct question *question = waiter->question;
    struct waiters older;
    bool parked = watch_park_newest(app->watches[WAIT_SIGNAL], waiter, question->who.user_id,
                                    question->until, &older);

    deliver_all_late(app, &older);
    return parked;
}

static bool wait_for_end(struct app *app, struct waiter *waiter)
{
    const struct question *question = waiter->question;
    char owner[2 * IDENT_MAX + 2];

    snprintf(owner, sizeof owner, "%s/%s", question->who.tenant_id, question->who.user_id);
    return watch_park(app->watches[WAIT_END], waiter, question->id, owner, question->until);
}

static void wait_on(struct app *app, struct waiter *waiter)
{
    struct question *question = waiter->question;
    bool again = question->waited;

    question->waited = true;
    if (question->route->waits_for == WAIT_SIGNAL ? wait_for_signal(app, waiter)
                                                  : wait_for_end(app, waiter))
        return;
    if (!again && board_now() < question->until)
        question->wait = 0; /* there is no place for it */
    deliver_late(app, waiter);
}

void parking_settle(struct app *app, struct round *round)
{
    struct question *first = TAILQ_FIRST(&round->waiters)->question;
    struct reply *shared = first->reply ? reply_hold(first->reply) : NULL;
    struct waiter *waiter = NULL;

    while ((waiter = take_first(&round->waiters))) {
        struct question *question = waiter->question;
        struct reply *reply = waiter->weight ? question->reply : shared;
        if (reply)
            app->gateway->deliver(waiter, reply);
        else if (question->next)
            app->gateway->resume(waiter);
        else
            wait_on(app, waiter);
    }
    reply_release(shared);
}

void parking_wake(struct app *app, enum wait_for what, const char *key)
{
    struct waiters woken;
    struct waiter *waiter = NULL;

    watch_wake(app->watches[what], key, &woken);
    while ((waiter = take_first(&woken))) {
        if (app->gateway->has_gone(waiter)) {
            app->gateway->drop(waiter);
            continue;
        }
        enum err err = parking_ask(app, waiter);
        if (err)
            refuse(app, waiter, err);
    }
}

void parking_reap(struct app *app)
{
    struct waiters gone;
    struct waiter *waiter = NULL;

    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++) {
        watch_reap(app->watches[what], app->gateway->has_gone, &gone);
        while ((waiter = take_first(&gone)))
            app->gateway->drop(waiter);
    }
}

void parking_expire(struct app *app, bool closing)
{
    struct waiters late;

    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++) {
        if (closing)
            watch_close(app->watches[what], &late);
        else
            watch_expire(app->watches[what], board_now(), &late);
        deliver_all_late(app, &late);
    }
}
