/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/parking.h"

#include <stdio.h>

#include "api/connection.h"

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

static void deliver_late(struct waiter *waiter)
{
    const struct question *question = waiter->question;
    struct reply *reply = question->route->late(question);

    connection_deliver(waiter, reply);
    reply_release(reply);
}

/* What was asked already, and waited, has an answer that is true. */
static void refuse(struct waiter *waiter, enum err code)
{
    const struct question *question = waiter->question;

    if (question->waited) {
        deliver_late(waiter);
        return;
    }
    struct reply *reply = reply_error(code, NULL);
    connection_deliver(waiter, reply);
    reply_release(reply);
}

void parking_refuse(struct waiters *waiters, enum err code)
{
    struct waiter *waiter = NULL;

    while ((waiter = take_first(waiters)))
        refuse(waiter, code);
}

static void deliver_all_late(struct waiters *late)
{
    struct waiter *waiter = NULL;

    while ((waiter = take_first(late)))
        deliver_late(waiter);
}

/* An agent that polls again has given up its older poll, which may not have been noticed here. */
static bool wait_for_signal(struct app *app, struct waiter *waiter)
{
    const struct question *question = waiter->question;
    struct waiters older;
    bool parked = watch_park_newest(app->watches[WAIT_SIGNAL], waiter, question->who.user_id,
                                    question->until, &older);

    deliver_all_late(&older);
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
    deliver_late(waiter);
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
            connection_deliver(waiter, reply);
        else if (question->next)
            connection_resume(waiter);
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
        enum err err = ERR_OK;
        if (connection_has_gone(waiter)) /* it must not be given anything */
            deliver_late(waiter);
        else
            err = parking_ask(app, waiter);
        if (err)
            refuse(waiter, err);
    }
}

bool parking_abandon(struct app *app, struct waiter *waiter)
{
    const struct question *question = waiter->question;
    struct watch *watch = app->watches[question->route->waits_for];

    return watch && watch_abandon(watch, waiter);
}

void parking_expire(struct app *app, bool closing)
{
    struct waiters late;

    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++) {
        if (closing)
            watch_close(app->watches[what], &late);
        else
            watch_expire(app->watches[what], board_now(), &late);
        deliver_all_late(&late);
    }
}
