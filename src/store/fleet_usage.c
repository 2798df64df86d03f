/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/fleet_usage.h"

#include "store/schema.h"

static const struct scope everyone = {.kind = SCOPE_ALL};

static void slot_params(struct db *db, int64_t now, struct params *params)
{
    long history = db_settings(db)->agents.usage_history;
    int64_t began = now - now % USAGE_SLOT, long_began = now - now % USAGE_LONG_SLOT;

    params_uint(params, PARAM_SLOT_AT, (uint64_t)began);
    params_uint(params, PARAM_SLOT, usage_slot(began, USAGE_SLOT, history));
    params_uint(params, PARAM_LONG_SLOT_AT, (uint64_t)long_began);
    params_uint(params, PARAM_LONG_SLOT, usage_slot(long_began, USAGE_LONG_SLOT, history));
}

/* Other workers wait for the row, and find the slot taken. */
static enum err take(struct db *db, struct fleet_look *look, const struct params *params,
                     struct error *e)
{
    uint64_t changed = 0;
    enum err err = db_change(db, STATEMENT_CLAIM_FLEET_SLOT, params, &changed, e);

    look->taken = changed > 0;
    return err;
}

static enum err load_tenants(struct db *db, struct idents *out, struct error *e)
{
    struct params none = {0};
    enum err err = db_select(db, STATEMENT_TENANTS, &none, e);

    for (const struct cell *row; (row = db_row(db));)
        idents_add(out, row[0].text);
    return err;
}

enum err fleet_usage_look(struct db *db, void *context, struct error *e)
{
    struct fleet_look *look = context;
    struct params params = params_for(db, &everyone);

    idents_free(&look->tenants); /* of an earlier attempt */
    enum err err = schema_clock(db, &look->now, e);
    slot_params(db, look->now, &params);
    if (!err)
        err = take(db, look, &params, e);
    if (err || !look->taken)
        return err;
    err = db_change(db, STATEMENT_SAMPLE_ALL, &params, NULL, e);
    if (!err)
        err = db_change(db, STATEMENT_SAMPLE_TENANTS, &params, NULL, e);
    return err ? err : load_tenants(db, &look->tenants, e);
}

enum err fleet_usage_look_at_users(struct db *db, void *context, struct error *e)
{
    const struct fleet_look *look = context;
    struct params params = params_for(db, &everyone);

    slot_params(db, look->now, &params);
    params_text(&params, PARAM_TENANT, look->tenants.items[look->tenant]);
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
