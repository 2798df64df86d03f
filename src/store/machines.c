/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/machines.h"

#include <stdio.h>
#include <string.h>

enum { PAGE = 1000 };

struct listing {
    listed_machine_fn *fn;
    void *context;
    char last[IDENT_MAX + 1];
    uint64_t rows; /* on this page */
};

static void listed_row(void *context, const struct cell *cells)
{
    struct listing *listing = context;
    struct listed_machine machine = {
        .agent_id = cells[0].text,
        .tenant_id = cells[1].text,
        .name = cells[2].text,
        .online = cell_int(&cells[3]) != 0,
        .last_heartbeat = cells[4].text,
        .cpu = cell_int(&cells[5]),
        .memory = cell_int(&cells[6]),
        .disk = cell_int(&cells[7]),
        .dropped_commands = cell_int(&cells[8]),
        .open_sessions = cell_int(&cells[9]),
        .refused_at = cells[10].text,
    };

    listing->rows++;
    snprintf(listing->last, sizeof listing->last, "%s", machine.agent_id);
    listing->fn(listing->context, &machine);
}

enum err machines_list(struct db *db, const char *tenant_id, listed_machine_fn *fn, void *context,
                       struct error *e)
{
    struct params params = params_for(db, &(struct scope){.kind = SCOPE_ALL});
    struct listing listing = {fn, context, "", PAGE};
    enum err err = ERR_OK;

    params_text(&params, PARAM_TENANT, tenant_id);
    params_text(&params, PARAM_AGENT, listing.last);
    params_uint(&params, PARAM_LIMIT, PAGE);
    while (!err && listing.rows == PAGE) {
        listing.rows = 0;
        err = db_select(db, STATEMENT_LIST_MACHINES, &params, listed_row, &listing, e);
    }
    return err;
}

static enum err no_such_machine(const char *agent_id, struct error *e)
{
    return error_set(e, ERR_NOT_FOUND, "there is no machine %s", agent_id);
}

static const char *const relation_names[] = {
    [RELATION_OWNER] = "owner",
    [RELATION_GRANTED] = "granted",
};

/* The parameters are those of the machine and the user, tenant included. */
static enum err grant(struct db *db, struct params *params, enum relation relation,
                      uint64_t *affected, struct error *e)
{
    params_text(params, PARAM_RELATION, relation_names[relation]);
    return db_change(db, STATEMENT_GRANT, params, affected, e);
}

enum err machines_add(struct db *db, const struct new_machine *machine, struct error *e)
{
    struct params params = {0};
    uint64_t added = 0;

    params_text(&params, PARAM_AGENT, machine->agent_id);
    params_text(&params, PARAM_TENANT, machine->tenant_id);
    params_text(&params, PARAM_NAME, machine->name);
    params_uint(&params, PARAM_GENERATION, (uint64_t)machine->generation);
    enum err err = db_change(db, STATEMENT_ADD_MACHINE, &params, &added, e);
    if (!err && !added)
        err = error_set(e, ERR_DB, "there is a machine %s already", machine->agent_id);
    if (err || !machine->owner)
        return err;
    params_text(&params, PARAM_OF_USER, machine->owner);
    return grant(db, &params, RELATION_OWNER, NULL, e);
}

enum err machines_remove(struct db *db, const char *agent_id, uint64_t *open, struct error *e)
{
    static const int afterwards[] = {STATEMENT_VANISH_REMOVED, STATEMENT_REMOVE_ACCESS};
    struct params params = {0};
    uint64_t removed = 0;

    params_text(&params, PARAM_AGENT, agent_id);
    enum err err = db_change(db, STATEMENT_REMOVE_MACHINE, &params, &removed, e);
    if (!err && !removed)
        return no_such_machine(agent_id, e);
    if (!err)
        err = db_change(db, STATEMENT_CLOSE_REMOVED, &params, open, e);
    for (size_t i = 0; !err && i < sizeof afterwards / sizeof *afterwards; i++)
        err = db_change(db, afterwards[i], &params, NULL, e);
    return err;
}

static void generation_row(void *context, const struct cell *cells)
{
    *(int64_t *)context = cell_int(&cells[0]);
}

enum err machines_rotate(struct db *db, const char *agent_id, int64_t *generation, struct error *e)
{
    struct params params = {0};
    uint64_t rotated = 0;

    params_text(&params, PARAM_AGENT, agent_id);
    enum err err = db_change(db, STATEMENT_ROTATE_TOKEN, &params, &rotated, e);
    if (!err && !rotated)
        return no_such_machine(agent_id, e);
    if (!err) /* the agent may count anew */
        err = db_change(db, STATEMENT_FORGET_OPENINGS, &params, NULL, e);
    if (!err)
        err = db_select(db, STATEMENT_TOKEN_GENERATION, &params, generation_row, generation, e);
    return err;
}

static void tenant_row(void *context, const struct cell *cells)
{
    snprintf(context, IDENT_MAX + 1, "%s", cells[0].text);
}

/* The parameters of machine and user. `tenant_id` is filled and borrowed by them. */
static enum err access_params(struct db *db, const char *agent_id, const char *user_id,
                              char tenant_id[IDENT_MAX + 1], struct params *out, struct error *e)
{
    *out = (struct params){0};
    *tenant_id = '\0';
    params_text(out, PARAM_AGENT, agent_id);
    params_text(out, PARAM_OF_USER, user_id);
    params_text(out, PARAM_TENANT, tenant_id);
    enum err err = db_select(db, STATEMENT_MACHINE_TENANT, out, tenant_row, tenant_id, e);
    if (!err && !*tenant_id)
        err = no_such_machine(agent_id, e);
    return err;
}

enum err machines_grant(struct db *db, const char *agent_id, const char *user_id,
                        enum relation relation, bool *changed, struct error *e)
{
    char tenant_id[IDENT_MAX + 1];
    struct params params;
    uint64_t affected = 0;
    enum err err = access_params(db, agent_id, user_id, tenant_id, &params, e);

    if (!err)
        err = grant(db, &params, relation, &affected, e);
    *changed = affected > 0;
    return err;
}

enum err machines_revoke(struct db *db, const char *agent_id, const char *user_id, bool *changed,
                         struct error *e)
{
    char tenant_id[IDENT_MAX + 1];
    struct params params;
    uint64_t affected = 0;
    enum err err = access_params(db, agent_id, user_id, tenant_id, &params, e);

    if (!err)
        err = db_change(db, STATEMENT_REVOKE, &params, &affected, e);
    *changed = affected > 0;
    return err;
}
