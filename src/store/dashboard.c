/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/dashboard.h"

#include <string.h>

static void stats_row(void *context, const struct cell *cells)
{
    *(struct fleet_stats *)context = (struct fleet_stats){
        .machines = cell_int(&cells[0]),
        .online = cell_int(&cells[1]),
        .cpu = cell_int(&cells[2]),
        .memory = cell_int(&cells[3]),
        .disk = cell_int(&cells[4]),
    };
}

enum err dashboard_stats(struct db *db, const struct scope *scope, struct fleet_stats *out,
                         struct error *e)
{
    struct params params = params_for(db, scope);

    return db_select(db, STATEMENT_STATS + (int)scope->kind, &params, stats_row, out, e);
}

struct each_machine {
    machine_fn *fn;
    void *context;
};

static void machine_row(void *context, const struct cell *cells)
{
    const struct each_machine *each = context;
    struct machine machine = {
        .agent_id = cells[0].text,
        .name = cells[1].text,
        .online = cell_int(&cells[2]) != 0,
        .cpu = cell_int(&cells[3]),
        .memory = cell_int(&cells[4]),
        .last_active = cells[5].text,
    };

    each->fn(each->context, &machine);
}

enum err dashboard_machines(struct db *db, const struct scope *scope, machine_fn *fn, void *context,
                            struct error *e)
{
    struct params params = params_for(db, scope);
    struct each_machine each = {fn, context};

    return db_select(db, STATEMENT_RECENT_MACHINES + (int)scope->kind, &params, machine_row, &each,
                     e);
}

enum { BUSY_MACHINES = PARAM_COUNT - PARAM_AGENT_0 };

struct busy_machines {
    char agent_id[BUSY_MACHINES][IDENT_MAX + 1];
    size_t count;
};

static void busy_row(void *context, const struct cell *cells)
{
    struct busy_machines *busy = context;

    if (busy->count < BUSY_MACHINES)
        cell_ident(&cells[0], busy->agent_id[busy->count++]);
}

struct each_command {
    command_fn *fn;
    void *context;
};

static void command_row(void *context, const struct cell *cells)
{
    const struct each_command *each = context;
    struct command command = {
        .id = cell_int(&cells[0]),
        .command = cells[1].text,
        .machine_name = cells[2].text,
        .agent_id = cells[3].text,
        .username = cells[4].text,
        .source = cells[5].text,
        .executed_at = cells[6].text,
    };

    each->fn(each->context, &command);
}

enum err dashboard_commands(struct db *db, const struct scope *scope, command_fn *fn, void *context,
                            struct error *e)
{
    struct params params = params_for(db, scope);
    struct each_command each = {fn, context};
    struct busy_machines busy = {0};

    if (scope->kind == SCOPE_USER) {
        enum err err = db_select(db, STATEMENT_BUSY_MACHINES, &params, busy_row, &busy, e);
        if (err)
            return err;
        for (int i = 0; i < BUSY_MACHINES; i++)
            params_text(&params, PARAM_AGENT_0 + (enum param)i, busy.agent_id[i]);
    }
    return db_select(db, STATEMENT_RECENT_COMMANDS + (int)scope->kind, &params, command_row, &each,
                     e);
}
