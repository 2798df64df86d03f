/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/schema.h"

/* --- the current slot ------------------------------------------------------------------------- */

/* More would overflow an hour's sums. No agent sends that many. */
enum { SAMPLES_MAX = 30000 };

static int64_t began_at(int64_t time, int64_t step)
{
    return time - time % step;
}

/* Each number has a fixed number of hexadecimal digits: text of one length lets InnoDB update the
 * row in place, at each heartbeat. */
void usage_format(const struct usage_sums *usage, char out[USAGE_TEXT + 1])
{
    int length = sprintf(out, "%08" PRIx64 "%04" PRIx64, usage->began, usage->samples);

    for (int i = 0; i < USAGE_FIGURES; i++) {
        const struct usage_figure *figure = &usage->figures[i];
        length += sprintf(out + length, "%08" PRIx64 "%04" PRIx64 "%04" PRIx64, figure->sum,
                          figure->least, figure->greatest);
    }
}

void usage_parse(const char *text, struct usage_sums *out)
{
    struct usage_figure *figures = out->figures;

    memset(out, 0, sizeof *out);
    /* A machine without heartbeats has no text; a later release may have another format. */
    if (strspn(text, "0123456789abcdef") != USAGE_TEXT || text[USAGE_TEXT])
        return;
    sscanf(text, "%8" SCNx64 "%4" SCNx64, (uint64_t *)&out->began, &out->samples);
    text += 12;
    for (int i = 0; i < USAGE_FIGURES; i++, text += 16)
        sscanf(text, "%8" SCNx64 "%4" SCNx64 "%4" SCNx64, &figures[i].sum, &figures[i].least,
               &figures[i].greatest);
}

/* Adds one aggregate to another. It is exact, in whichever order slots come. */
static void merge(struct usage_sums *usage, const struct usage_sums *other)
{
    bool first = usage->samples == 0;

    usage->samples += other->samples;
    for (int i = 0; i < USAGE_FIGURES; i++) {
        struct usage_figure *figure = &usage->figures[i];
        const struct usage_figure *more = &other->figures[i];
        figure->sum += more->sum;
        if (first || more->least < figure->least)
            figure->least = more->least;
        if (more->greatest > figure->greatest)
            figure->greatest = more->greatest;
    }
}

bool usage_add(struct usage_sums *usage, int64_t now, const uint64_t values[USAGE_FIGURES],
               struct usage_sums *ended)
{
    struct usage_sums sample = {.samples = 1};
    bool another = usage->began != began_at(now, USAGE_SLOT);

    /* Any other time begins a new slot, also an earlier one: the clock may have been set back. */
    *ended = *usage;
    if (another)
        *usage = (struct usage_sums){.began = began_at(now, USAGE_SLOT)};
    for (int i = 0; i < USAGE_FIGURES; i++)
        sample.figures[i] = (struct usage_figure){values[i], values[i], values[i]};
    if (usage->samples < SAMPLES_MAX)
        merge(usage, &sample);
    return another && ended->samples > 0;
}

/* --- rings ------------------------------------------------------------------------------------ */

enum { HOUR = 3600, DAY = 24 * HOUR };

/* The ring's slot of a time is its number modulo the ring's length: no writer needs to know which
 * slots are taken. A ring is longer than the longest span, because the oldest step begins before
 * the span does. */
static uint64_t usage_slot(int64_t began, int64_t step, long history)
{
    int64_t kept = step == USAGE_SLOT ? DAY + HOUR : history + DAY;

    return (uint64_t)(began / step % (kept / step));
}

static void add_row(struct rows *rows, const char *agent_id, const struct usage_sums *ended,
                    int64_t step, long history)
{
    int64_t began = began_at(ended->began, step);

    rows_text(rows, PARAM_AGENT, agent_id);
    rows_uint(rows, PARAM_STEP, (uint64_t)step);
    rows_uint(rows, PARAM_SLOT, usage_slot(began, step, history));
    rows_uint(rows, PARAM_SLOT_AT, (uint64_t)began);
    rows_uint(rows, PARAM_SAMPLES, ended->samples);
    for (int i = 0; i < USAGE_FIGURES; i++) {
        rows_uint(rows, PARAM_CPU_SUM + (enum param)i, ended->figures[i].sum);
        rows_uint(rows, PARAM_CPU_MIN + (enum param)i, ended->figures[i].least);
        rows_uint(rows, PARAM_CPU_MAX + (enum param)i, ended->figures[i].greatest);
    }
}

void usage_rows(struct rows *rows, const char *agent_id, const struct usage_sums *ended,
                long history)
{
    add_row(rows, agent_id, ended, USAGE_SLOT, history);
    add_row(rows, agent_id, ended, USAGE_LONG_SLOT, history);
}

enum err usage_store(struct db *db, const struct rows *rows, struct error *e)
{
    return db_bulk(db, STATEMENT_STORE_USAGE, NULL, rows, e);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Up to a day is shown in slots of five minutes, more in hours or multiples of them, so that a
 * chart has at most USAGE_POINTS_MAX points. */
static struct usage_span usage_span_of(long hours, int64_t now)
{
    enum { SLOTS = USAGE_POINTS_MAX * 24 / 25 }; /* 288: a day of short slots */
    struct usage_span span = {.now = now, .slot = USAGE_LONG_SLOT};

    span.step = (hours + SLOTS - 1) / SLOTS * USAGE_LONG_SLOT;
    if (hours * HOUR <= SLOTS * USAGE_SLOT)
        span.slot = span.step = USAGE_SLOT;
    span.from = began_at(now - hours * HOUR, span.step);
    return span;
}

static void usage_span_params(const struct usage_span *span, struct params *params)
{
    params_uint(params, PARAM_STEP, (uint64_t)span->slot);
    params_uint(params, PARAM_WIDTH, (uint64_t)span->step);
    params_uint(params, PARAM_SINCE, (uint64_t)span->from);
    params_uint(params, PARAM_NOW, (uint64_t)span->now);
}

/* Reports from before the machine was added belong to another machine that had its id. */
static void begin_at_creation(struct usage_span *span, int64_t created)
{
    created = began_at(created, span->slot);
    if (created > span->from)
        span->from = created;
}

/* Of three cells: sum, minimum, maximum. */
static struct usage_figure usage_figure_of(const struct cell *cells)
{
    return (struct usage_figure){(uint64_t)cell_int(&cells[0]), (uint64_t)cell_int(&cells[1]),
                                 (uint64_t)cell_int(&cells[2])};
}

/* Adds reports to their step, which may have some already. */
static void add_step(struct machine_usage *machine, const struct usage_sums *usage)
{
    struct usage_sums *steps = machine->steps;
    size_t place = machine->count;

    while (place > 0 && steps[place - 1].began > usage->began)
        place--;
    if (place > 0 && steps[place - 1].began == usage->began) {
        merge(&steps[place - 1], usage);
    } else if (machine->count < USAGE_POINTS_MAX) {
        memmove(&steps[place + 1], &steps[place], (machine->count++ - place) * sizeof *steps);
        steps[place] = *usage;
    }
}

/* The last slot of a machine that fell silent stays in its text for ever, so it may be too old. */
static void add_current(struct machine_usage *machine, const char *text)
{
    const struct usage_span *span = &machine->span;
    struct usage_sums usage;

    usage_parse(text, &usage);
    if (usage.samples == 0 || usage.began < span->from || usage.began > span->now)
        return;
    usage.began = began_at(usage.began, span->step);
    add_step(machine, &usage);
}

static void add_stored(struct machine_usage *machine, const struct cell *row)
{
    struct usage_sums usage = {.began = cell_int(&row[0]), .samples = (uint64_t)cell_int(&row[1])};

    for (int i = 0; i < USAGE_FIGURES; i++)
        usage.figures[i] = usage_figure_of(&row[2 + 3 * i]);
    add_step(machine, &usage);
}

/* One statement reads the ring and the text, at one moment: a slot that moves from the text to the
 * ring meanwhile is neither counted twice nor missed. */
static enum err load_steps(struct db *db, const struct params *params, struct machine_usage *out,
                           struct error *e)
{
    enum { TEXT = 2 + 3 * USAGE_FIGURES };
    enum err err = db_select(db, STATEMENT_MACHINE_USAGE, params, e);

    for (const struct cell *row; (row = db_row(db));) {
        if (row[TEXT].text)
            add_current(out, row[TEXT].text);
        else
            add_stored(out, row);
    }
    return err;
}

enum err usage_of_machine(struct db *db, const struct scope *scope, const char *agent_id,
                          long hours, struct machine_usage *out, struct error *e)
{
    struct params params = scope_params(db, scope);

    memset(out, 0, sizeof *out);
    params_text(&params, PARAM_AGENT, agent_id);
    enum err err = db_select(db, STATEMENT_MACHINE_AGE + (int)scope->kind, &params, e);
    const struct cell *row = db_row(db);
    if (!err && !row)
        err = error_set(e, ERR_NOT_FOUND, "no machine %s in the caller's scope", agent_id);
    if (err)
        return err;
    out->span = usage_span_of(hours, cell_int(&row[1]));
    begin_at_creation(&out->span, cell_int(&row[0]));
    usage_span_params(&out->span, &params);
    return load_steps(db, &params, out, e);
}

/* --- fleets ----------------------------------------------------------------------------------- */

static void slot_params(struct db *db, int64_t now, struct params *params)
{
    long history = db_settings(db)->agents.usage_history;
    int64_t began = now - now % USAGE_SLOT, long_began = now - now % USAGE_LONG_SLOT;

    params_uint(params, PARAM_SLOT_AT, (uint64_t)began);
    params_uint(params, PARAM_SLOT, usage_slot(began, USAGE_SLOT, history));
    params_uint(params, PARAM_LONG_SLOT_AT, (uint64_t)long_began);
    params_uint(params, PARAM_LONG_SLOT, usage_slot(long_began, USAGE_LONG_SLOT, history));
}

/* Claims the slot by an update that changes a row only once. Other workers wait for the row lock,
 * and then find the slot taken; a worker that fails rolls its claim back, and another one samples.
 */
static enum err claim(struct db *db, struct fleet_sample *sample, const struct params *params,
                      struct error *e)
{
    uint64_t changed = 0;
    enum err err = db_change(db, STATEMENT_CLAIM_FLEET_SLOT, params, &changed, e);

    sample->taken = changed > 0;
    return err;
}

static enum err load_tenants(struct db *db, struct idents *out, struct error *e)
{
    struct params none = {0};
    enum err err = db_select(db, STATEMENT_TENANTS, &none, e);

    idents_read(out, db);
    return err;
}

enum err usage_sample_fleets(struct db *db, void *context, struct error *e)
{
    struct fleet_sample *sample = context;
    struct params params = scope_params(db, &(struct scope){.kind = SCOPE_ALL});

    idents_free(&sample->tenants); /* of an earlier attempt */
    enum err err = schema_clock(db, &sample->now, e);
    slot_params(db, sample->now, &params);
    if (!err)
        err = claim(db, sample, &params, e);
    if (err || !sample->taken)
        return err;
    err = db_change(db, STATEMENT_SAMPLE_ALL, &params, NULL, e);
    if (!err)
        err = db_change(db, STATEMENT_SAMPLE_TENANTS, &params, NULL, e);
    return err ? err : load_tenants(db, &sample->tenants, e);
}

enum err usage_sample_users(struct db *db, void *context, struct error *e)
{
    const struct fleet_sample *sample = context;
    struct params params = scope_params(db, &(struct scope){.kind = SCOPE_ALL});

    slot_params(db, sample->now, &params);
    params_text(&params, PARAM_TENANT, sample->tenants.items[sample->tenant]);
    return db_change(db, STATEMENT_SAMPLE_USERS, &params, NULL, e);
}

enum err usage_of_fleet(struct db *db, const struct scope *scope, long hours,
                        struct usage_span *span, struct error *e)
{
    struct params params = scope_params(db, scope);
    int64_t now = 0;
    enum err err = schema_clock(db, &now, e);

    *span = usage_span_of(hours, now);
    usage_span_params(span, &params);
    return err ? err : db_select(db, STATEMENT_FLEET_USAGE, &params, e);
}

bool usage_fleet_next(struct db *db, struct fleet_usage *out)
{
    const struct cell *row = db_row(db);

    if (!row)
        return false;
    *out = (struct fleet_usage){
        .began = cell_int(&row[0]),
        .samples = (uint64_t)cell_int(&row[1]),
        .online = usage_figure_of(&row[2]),
        .offline = usage_figure_of(&row[5]),
        .sessions = usage_figure_of(&row[8]),
    };
    for (int i = 0; i < USAGE_FIGURES; i++)
        out->figures[i] = usage_figure_of(&row[11 + 3 * i]);
    return true;
}
