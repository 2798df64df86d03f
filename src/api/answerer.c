/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/answerer.h"

#include <string.h>

#include "api/route.h"
#include "base/log.h"
#include "store/schema.h"

enum { RECONNECT_MS = 250 };

static void deliver_round(struct waiters *waiters, struct reply *reply, deliver_fn *deliver)
{
    struct waiter *waiter = NULL;

    while ((waiter = TAILQ_FIRST(waiters))) {
        TAILQ_REMOVE(waiters, waiter, next);
        deliver(waiter, reply);
    }
}

void answer_all(struct waiters *waiters, enum err code, deliver_fn *deliver)
{
    if (TAILQ_EMPTY(waiters))
        return;
    struct reply *reply = reply_error(code, NULL);
    deliver_round(waiters, reply, deliver);
    reply_release(reply);
}

static enum err check_schema(struct db *db, void *unused, struct error *e)
{
    (void)unused;
    return schema_check(db, e);
}

static enum err bring_up(struct db *db, enum err before)
{
    struct error e = {0};
    enum err err = db_run(db, DB_READ, check_schema, NULL, &e);

    if (!err)
        log_event(LEVEL_INFO, "db_up", "host=%s", db_host(db));
    else if (err != before)
        log_event(LEVEL_ERROR, "db_down", "error=%s detail=\"%s\"", error_info(err)->name,
                  e.detail);
    return err;
}

static void go_down(struct answerers *answerers, enum err reason)
{
    struct waiters expelled;

    board_answerer_down(answerers->app->board, reason, &expelled);
    answer_all(&expelled, reason, answerers->deliver);
}

static enum err answer_round(struct answerers *answerers, struct db *db, struct round *round)
{
    enum err err = ERR_OK;
    struct reply *reply = question_answer(db, round->question, &err);

    board_asked(answerers->app->board, round);
    deliver_round(&round->waiters, reply, answerers->deliver);
    reply_release(reply);
    round_free(round);
    return err;
}

static void answer_until_down(struct answerers *answerers, struct db *db)
{
    struct round *round = NULL;
    enum err err = ERR_OK;

    while (db_connected(db) && err != ERR_DB_SCHEMA && (round = board_take(answerers->app->board)))
        err = answer_round(answerers, db, round);
    go_down(answerers, err == ERR_DB_SCHEMA ? err : ERR_DB_AWAY);
}

void answerer_run(void *context)
{
    struct answerers *answerers = context;
    struct board *board = answerers->app->board;
    struct db *db = db_new(answerers->app->settings);
    bool first = true;
    enum err err = ERR_OK;

    do {
        err = bring_up(db, err);
        if (!err)
            board_answerer_up(board);
        if (first)
            pthread_barrier_wait(&answerers->tried);
        first = false;
        if (!err)
            answer_until_down(answerers, db);
    } while (!board_stopped(board, err ? RECONNECT_MS : 0));
    db_free(db);
}
