/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/fleet.h"

#include <string.h>

#include "store/schema.h"

static const struct scope everything = {.kind = SCOPE_ALL};

/* The names in STATEMENT_FLEET_SESSIONS. NULL: not a row of it. */
static const char *const names[FLEET_NUMBERS] = {
    [FLEET_UI] = "ui",
    [FLEET_CLI] = "cli",
    [FLEET_VSCODE] = "vscode",
    [FLEET_PENDING] = "pending",
    [FLEET_OLDEST_PENDING] = "oldest pending",
    [FLEET_RECENT_PENDING] = "recent pending",
    [FLEET_RECENT_CONFIRMED] = "recent confirmed",
    [FLEET_RECENT_VANISHED] = "recent vanished",
    [FLEET_RECENT_EXPIRED] = "recent expired",
};

static enum err load_machines(struct db *db, const struct params *params, uint64_t *out,
                              struct error *e)
{
    enum err err = db_select(db, STATEMENT_FLEET_MACHINES, params, e);
    const struct cell *row = db_row(db);

    if (!row)
        return err;
    out[FLEET_ONLINE] = (uint64_t)cell_int(&row[0]);
    out[FLEET_OFFLINE] = (uint64_t)cell_int(&row[1]) - out[FLEET_ONLINE];
    out[FLEET_NEVER] = (uint64_t)(cell_int(&row[2]) - cell_int(&row[1]));
    out[FLEET_DROPPED] = (uint64_t)cell_int(&row[3]);
    return err;
}

static enum err load_sessions(struct db *db, const struct params *params, uint64_t *out,
                              struct error *e)
{
    enum err err = db_select(db, STATEMENT_FLEET_SESSIONS, params, e);

    for (const struct cell *row; (row = db_row(db));) {
        for (size_t i = 0; row[0].text && i < FLEET_NUMBERS; i++) {
            if (names[i] && strcmp(row[0].text, names[i]) == 0)
                out[i] = (uint64_t)cell_int(&row[1]);
        }
    }
    return err;
}

enum err fleet_load(struct db *db, uint64_t out[FLEET_NUMBERS], struct error *e)
{
    struct params params = params_for(db, &everything);

    memset(out, 0, FLEET_NUMBERS * sizeof *out);
    enum err err = load_machines(db, &params, out, e);
    return err ? err : load_sessions(db, &params, out, e);
}

/* --- usage over time -------------------------------------------------------------------------- */

static void slot_params(struct db *db, int64_t now, struct params *params)
{
    long history = db_settings(db)->agents.usage_history;
    int64_t began = now - now % USAGE_SLOT, long_began = now - now % USAGE_LONG_SLOT;

    params_uint(params, PARAM_SLOT_AT, (uint64_t)began);
    params_uint(params, PARAM_SLOT, usage_slot(began, USAGE_SLOT, history));
    params_uint(params, PARAM_LONG_SLOT_AT, (uint64_t)long_began);
    params_uint(params, PARAM_LONG_SLOT, usage_slot(long_began, USAGE_LONG_SLOT, history));
}

/* Other workers wait for the row lock, and then find the slot taken. */
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

enum err fleet_sample(struct db *db, void *context, struct error *e)
{
    struct fleet_sample *sample = context;
    struct params params = params_for(db, &everything);

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

enum err fleet_sample_users(struct db *db, void *context, struct error *e)
{
    const struct fleet_sample *sample = context;
    struct params params = params_for(db, &everything);

    slot_params(db, sample->now, &params);
    params_text(&params, PARAM_TENANT, sample->tenants.items[sample->tenant]);
    return db_change(db, STATEMENT_SAMPLE_USERS, &params, NULL, e);
}

enum err fleet_usage_load(struct db *db, const struct scope *scope, long hours,
                          struct usage_span *span, struct error *e)
{
    struct params params = params_for(db, scope);
    int64_t now = 0;
    enum err err = schema_clock(db, &now, e);

    *span = usage_span_of(hours, now);
    usage_span_params(span, &params);
    return err ? err : db_select(db, STATEMENT_FLEET_USAGE, &params, e);
}

bool fleet_usage_next(struct db *db, struct fleet_usage *out)
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
