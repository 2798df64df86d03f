/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/parking.h"

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

enum err parking_ask(struct worker *worker, struct waiter *waiter)
{
    const struct question *question = waiter->question;
    char key[QUESTION_KEY_MAX];
    bool keyed = question_key(question, key);

    if (!question->waited)
        waiter->since = clock_ms();
    waiter->weight = question->weight;
    waiter->writes = question->route->mode == DB_WRITE;
    waiter->deadline = clock_ms() + worker->settings->api.deadline * 1000;
    return board_park(worker->board, waiter, keyed ? key : NULL);
}

static void deliver_late(struct waiter *waiter)
{
    struct question *question = waiter->question;

    question_answer(question, question->route->late(question));
    connection_deliver(waiter);
}

/* What was asked already, and waited, has an answer that is true. */
static void refuse(struct waiter *waiter, enum err code)
{
    struct question *question = waiter->question;

    if (question->waited) {
        deliver_late(waiter);
        return;
    }
    question_refuse(question, code, NULL);
    connection_deliver(waiter);
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
static bool wait_for_signal(struct worker *worker, struct waiter *waiter)
{
    const struct question *question = waiter->question;
    struct waiters older;
    bool parked = watch_park_newest(worker->watches[WAIT_SIGNAL], waiter, question->who.user_id,
                                    question->until, &older);

    deliver_all_late(&older);
    return parked;
}

static bool wait_for_end(struct worker *worker, struct waiter *waiter)
{
    const struct question *question = waiter->question;
    char owner[IDENT_MAX + USER_ID_MAX + 2];

    snprintf(owner, sizeof owner, "%s/%s", question->who.tenant_id, question->who.user_id);
    return watch_park(worker->watches[WAIT_END], waiter, question->id, owner, question->until);
}

static void wait_on(struct worker *worker, struct waiter *waiter)
{
    struct question *question = waiter->question;
    bool again = question->waited;

    question->waited = true;
    if (question->route->waits_for == WAIT_SIGNAL ? wait_for_signal(worker, waiter)
                                                  : wait_for_end(worker, waiter))
        return;
    if (!again && clock_ms() < question->until)
        question->wait = 0; /* there is no place for it */
    deliver_late(waiter);
}

void parking_settle(struct worker *worker, struct round *round)
{
    struct waiter *waiter = NULL;

    while ((waiter = take_first(&round->waiters))) {
        const struct question *question = waiter->question;
        if (question->outcome == OUTCOME_WAIT)
            wait_on(worker, waiter);
        else
            connection_deliver(waiter);
    }
}

void parking_wake(struct worker *worker, enum wait_for what, const char *key)
{
    struct waiters woken;
    struct waiter *waiter = NULL;

    watch_wake(worker->watches[what], key, &woken);
    while ((waiter = take_first(&woken))) {
        enum err err = ERR_OK;
        if (connection_has_gone(waiter)) /* it must not be given anything */
            deliver_late(waiter);
        else
            err = parking_ask(worker, waiter);
        if (err)
            refuse(waiter, err);
    }
}

bool parking_abandon(struct worker *worker, struct waiter *waiter)
{
    const struct question *question = waiter->question;
    struct watch *watch = worker->watches[question->route->waits_for];

    return watch && watch_abandon(watch, waiter);
}

void parking_expire(struct worker *worker, bool closing)
{
    struct waiters late;

    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++) {
        if (closing)
            watch_close(worker->watches[what], &late);
        else
            watch_expire(worker->watches[what], clock_ms(), &late);
        deliver_all_late(&late);
    }
}
