/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/answerer.h"

#include <stdlib.h>

#include "api/metrics.h"
#include "api/parking.h"
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
    struct waiters expelled;

    board_answerer_down(worker->board, reason, &expelled);
    parking_refuse(&expelled, reason);
}

static enum err answer_round(struct worker *worker, struct db *db, struct round *round)
{
    struct question **questions = xcalloc(round->count, sizeof *questions);
    struct waiter *waiter = NULL;
    size_t count = 0;

    TAILQ_FOREACH (waiter, &round->waiters, next)
        questions[count++] = waiter->question;
    enum err err = dispatch_batch(db, questions, count);
    metrics_round(questions[0]->route->mode, count);
    metrics_database(db);
    board_asked(worker->board, round);
    for (size_t i = 0; i < count; i++) {
        if (questions[i]->wakes)
            parking_wake(worker, questions[i]->wakes, questions[i]->wake_key);
    }
    parking_settle(worker, round);
    round_free(round);
    free(questions);
    return err;
}

static void answer_until_down(struct worker *worker, struct db *db, bool reads_only)
{
    struct round *round = NULL;
    enum err err = ERR_OK;

    while (db_connected(db) && err != ERR_DB_SCHEMA &&
           (round = board_take(worker->board, reads_only)))
        err = answer_round(worker, db, round);
    go_down(worker, err == ERR_DB_SCHEMA ? err : ERR_DB_AWAY);
}

void answerer_run(void *context)
{
    struct worker *worker = context;
    struct db *db = db_new(worker->settings);
    /* One takes nothing that writes: while a backup locks the tables, reads go on. */
    bool reads_only =
        atomic_fetch_add(&worker->answerers, 1) == 0 && worker->settings->api.answerers > 1;
    bool first = true;
    enum err err = ERR_OK;

    do {
        err = bring_up(db, err);
        if (!err)
            board_answerer_up(worker->board);
        if (first)
            pthread_barrier_wait(&worker->tried);
        first = false;
        if (!err)
            answer_until_down(worker, db, reads_only);
    } while (!board_stopped(worker->board, err ? RECONNECT_MS : 0));
    db_free(db);
}
