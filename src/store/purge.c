/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/purge.h"

#include <stdio.h>

#include "store/signals.h"

enum { BATCH = 1000 /* rows of a transaction */, REMOVALS_MAX = 2 };

struct instant {
    char at[27]; /* UTC, with microseconds */
    int64_t seconds;
};

struct run {
    struct db *db;
    struct instant before; /* rows older than this are purged */
    purge_fn *report;
    void *context;
    uint64_t *counts;
};

/* --- sessions of lost machines ---------------------------------------------------------------- */

/* A machine that never comes back never reports how its sessions ended. They would be listed and
 * skipped for ever. */
struct lost {
    const struct run *run;
    char session_id[BATCH][IDENT_MAX + 1];
    size_t found;
    uint64_t closed;
};

static enum err close_batch(struct db *db, void *context, struct error *e)
{
    struct lost *lost = context;
    struct params params = {0};

    lost->found = 0;
    lost->closed = 0;
    params_text(&params, PARAM_BEFORE_AT, lost->run->before.at);
    params_uint(&params, PARAM_LIMIT, BATCH);
    enum err err = db_select(db, STATEMENT_LOST_SESSIONS, &params, e);
    for (const struct cell *row; (row = db_row(db));)
        snprintf(lost->session_id[lost->found++], IDENT_MAX + 1, "%s", row[0].text);
    for (size_t i = 0; !err && i < lost->found; i++) {
        uint64_t rows = 0; /* the session and its signal, if any */
        params_text(&params, PARAM_SESSION, lost->session_id[i]);
        err = db_change(db, STATEMENT_CLOSE_LOST, &params, &rows, e);
        lost->closed += rows > 0;
    }
    return err;
}

static enum err close_lost(const struct run *run, struct error *e)
{
    struct lost lost = {.run = run};
    enum err err;

    do {
        err = db_run(run->db, DB_WRITE, close_batch, &lost, e);
        if (err)
            break;
        run->counts[PURGED_LOST] += lost.closed;
        run->report(run->context,
                    &(struct purge_progress){"lost sessions", 0, run->counts[PURGED_LOST]});
    } while (lost.closed > 0 && lost.found == BATCH);
    return err;
}

/* --- history ---------------------------------------------------------------------------------- */

struct table {
    const char *name;
    int page; /* the statement that returns times and ids of the next rows */
    struct removal {
        int statement;
        enum purged kind;
    } removals[REMOVALS_MAX];
    size_t removal_count;
};

static const struct table tables[] = {
    {
        .name = "commands",
        .page = STATEMENT_PURGE_COMMANDS_PAGE,
        .removals = {{STATEMENT_PURGE_COMMANDS, PURGED_COMMANDS}},
        .removal_count = 1,
    },
    {
        .name = "sessions",
        .page = STATEMENT_PURGE_SESSIONS_PAGE,
        .removals = {{STATEMENT_PURGE_RECEIPTS, PURGED_RECEIPTS},
                     {STATEMENT_PURGE_SESSIONS, PURGED_SESSIONS}},
        .removal_count = 2,
    },
};

static const struct table audit_table = {
    .name = "audit",
    .page = STATEMENT_PURGE_AUDIT_PAGE,
    .removals = {{STATEMENT_PURGE_AUDIT, PURGED_AUDIT}},
    .removal_count = 1,
};

struct page_end {
    struct instant instant;
    uint64_t id;
};

/* A table is walked by pages of (time, id). The position moves on even where a page had rows that
 * stay, such as sessions that ended late. */
struct table_walk {
    const struct table *table;
    const char *before_at;
    struct page_end after, upto; /* the ends of the page */
    int64_t began;               /* time of the very first row, Unix s */
    uint64_t rows;
    uint64_t removed[REMOVALS_MAX];
};

static void note_instant(struct instant *instant, const struct cell *at, const struct cell *seconds)
{
    snprintf(instant->at, sizeof instant->at, "%s", at->text);
    instant->seconds = cell_int(seconds);
}

static void note_row(struct table_walk *walk, const struct cell *row)
{
    walk->rows++;
    note_instant(&walk->upto.instant, &row[0], &row[2]);
    walk->upto.id = (uint64_t)cell_int(&row[1]);
    if (!walk->began)
        walk->began = walk->upto.instant.seconds;
}

static enum err purge_page(struct db *db, void *context, struct error *e)
{
    struct table_walk *walk = context;
    struct params params = {0};

    walk->rows = 0;
    walk->upto = walk->after;
    params_text(&params, PARAM_BEFORE_AT, walk->before_at);
    params_text(&params, PARAM_AFTER_AT, walk->after.instant.at);
    params_uint(&params, PARAM_AFTER_ID, walk->after.id);
    params_uint(&params, PARAM_LIMIT, BATCH);
    enum err err = db_select(db, walk->table->page, &params, e);

    for (const struct cell *row; (row = db_row(db));)
        note_row(walk, row);
    params_text(&params, PARAM_UPTO_AT, walk->upto.instant.at);
    params_uint(&params, PARAM_UPTO_ID, walk->upto.id);
    for (size_t i = 0; !err && i < walk->table->removal_count; i++)
        err = db_change(db, walk->table->removals[i].statement, &params, &walk->removed[i], e);
    return err;
}

/* The progress is how far in time the purge got. Counting the rows to be deleted would read them
 * all once more. */
static void count_page(const struct run *run, const struct table_walk *walk)
{
    const struct removal *removals = walk->table->removals;
    uint64_t done = 0;
    int64_t all = run->before.seconds - walk->began;
    int64_t left = run->before.seconds - walk->upto.instant.seconds;
    bool last = walk->rows < BATCH || all <= 0;

    for (size_t i = 0; i < walk->table->removal_count; i++)
        done = run->counts[removals[i].kind] += walk->removed[i];
    run->report(run->context,
                &(struct purge_progress){walk->table->name,
                                         last ? 100 : (int)((all - left) * 100 / all), done});
}

static enum err purge_table(const struct run *run, const struct table *table, struct error *e)
{
    struct table_walk walk = {
        .table = table, .before_at = run->before.at, .after.instant.at = "1000-01-01"};
    enum err err;

    do {
        err = db_run(run->db, DB_WRITE, purge_page, &walk, e);
        if (!err)
            count_page(run, &walk);
        walk.after = walk.upto;
    } while (!err && walk.rows == BATCH);
    return err;
}

/* --- all of it -------------------------------------------------------------------------------- */

/* Finds the time that long ago, by the database's clock. */
static enum err find_instant(struct db *db, long ago, struct instant *out, struct error *e)
{
    struct params params = {0};

    params_uint(&params, PARAM_OLDER_THAN, (uint64_t)ago);
    enum err err = db_select(db, STATEMENT_PURGE_BEFORE, &params, e);
    const struct cell *row = db_row(db);
    if (row)
        note_instant(out, &row[0], &row[1]);
    return err;
}

static enum err purge_history(const struct run *run, struct error *e)
{
    struct idents expired = {0};
    /* plain CGI has no worker that does this */
    enum err err = db_run(run->db, DB_WRITE, signals_expire, &expired, e);

    idents_free(&expired);
    if (!err)
        err = close_lost(run, e);
    for (size_t i = 0; !err && i < sizeof tables / sizeof *tables; i++)
        err = purge_table(run, &tables[i], e);
    return err;
}

enum err purge(struct db *db, const struct purge_ages *older_than, purge_fn *report, void *context,
               uint64_t counts[PURGED_COUNT], struct error *e)
{
    struct run run = {.db = db, .report = report, .context = context, .counts = counts};
    struct run audit = run;
    enum err err = find_instant(db, older_than->history, &run.before, e);

    if (!err)
        err = find_instant(db, older_than->audit, &audit.before, e);
    if (!err)
        err = purge_history(&run, e);
    return err ? err : purge_table(&audit, &audit_table, e);
}
