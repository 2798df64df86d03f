/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/machines.h"

#include <stdio.h>
#include <string.h>

/* --- what a caller sees ----------------------------------------------------------------------- */

/* Finds where the page's search ends: after MACHINES_READ_MAX machines, unless the list ends
 * before. */
static enum err find_end(struct db *db, const struct scope *scope, const struct params *params,
                         char searched_to[IDENT_MAX + 1], struct error *e)
{
    enum err err = db_select(db, STATEMENT_FIND_MACHINES_END + (int)scope->kind, params, e);
    const struct cell *row = db_row(db);

    if (row)
        cell_ident(row, searched_to);
    return err;
}

enum err machines_page(struct db *db, const struct scope *scope,
                       const struct machines_filter *filter, char searched_to[IDENT_MAX + 1],
                       struct error *e)
{
    struct params params = scope_params(db, scope);
    enum err err = ERR_OK;

    *searched_to = '\0';
    params_text(&params, PARAM_AGENT, filter->after ? filter->after : "");
    params_text(&params, PARAM_STATUS, filter->status);
    params_text(&params, PARAM_Q, filter->q);
    params_uint(&params, PARAM_LIMIT, filter->limit);
    params_uint(&params, PARAM_SKIP, MACHINES_READ_MAX - 1);
    if (filter->status || filter->q)
        err = find_end(db, scope, &params, searched_to, e);
    params_filled(&params, PARAM_UPTO_AGENT, searched_to);
    return err ? err : db_select(db, STATEMENT_FIND_MACHINES + (int)scope->kind, &params, e);
}

enum err machines_find(struct db *db, const struct scope *scope, const char *agent_id,
                       struct error *e)
{
    struct params params = scope_params(db, scope);

    params_text(&params, PARAM_AGENT, agent_id);
    return db_select(db, STATEMENT_FIND_MACHINE + (int)scope->kind, &params, e);
}

enum err machines_access(struct db *db, const char *agent_id, struct error *e)
{
    struct params params = {0};

    params_text(&params, PARAM_AGENT, agent_id);
    params_uint(&params, PARAM_LIMIT, MACHINES_ACCESS_MAX);
    return db_select(db, STATEMENT_MACHINE_ACCESS, &params, e);
}

/* --- the operator's list ---------------------------------------------------------------------- */

enum { PAGE = 1000 };

static enum err read_page(struct db *db, struct machine_list *list, struct error *e)
{
    struct params params = scope_params(db, &(struct scope){.kind = SCOPE_ALL});

    params_text(&params, PARAM_TENANT, list->tenant_id);
    params_text(&params, PARAM_AGENT, list->last);
    params_uint(&params, PARAM_LIMIT, PAGE);
    return db_select(db, STATEMENT_LIST_MACHINES, &params, e);
}

/* Page by page: the rows of a statement are all in memory, and there may be a million machines. */
bool machines_next(struct db *db, struct machine_list *list, struct listed_machine *out,
                   enum err *err, struct error *e)
{
    if (list->rows % PAGE == 0)
        *err = read_page(db, list, e);
    const struct cell *row = db_row(db);
    if (!row)
        return false;
    list->rows++;
    snprintf(list->last, sizeof list->last, "%s", row[0].text);
    *out = (struct listed_machine){
        .agent_id = row[0].text,
        .tenant_id = row[1].text,
        .name = row[2].text,
        .online = cell_int(&row[3]) != 0,
        .last_heartbeat = row[4].text,
        .cpu = cell_int(&row[5]),
        .memory = cell_int(&row[6]),
        .disk = cell_int(&row[7]),
        .dropped_commands = cell_int(&row[8]),
        .open_sessions = cell_int(&row[9]),
        .refused_at = row[10].text,
    };
    return true;
}

/* --- the operator's changes ------------------------------------------------------------------- */

static enum err no_such_machine(const char *agent_id, struct error *e)
{
    return error_set(e, ERR_NOT_FOUND, "there is no machine %s", agent_id);
}

static const char *const relation_names[] = {
    [RELATION_OWNER] = "owner",
    [RELATION_GRANTED] = "granted",
};

/* `params` has the machine, its tenant and the user. */
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
    if (!err) /* older releases left the usage of removed machines */
        err = db_change(db, STATEMENT_REMOVE_USAGE, &params, NULL, e);
    if (err || !machine->owner)
        return err;
    params_text(&params, PARAM_OF_USER, machine->owner);
    return grant(db, &params, RELATION_OWNER, NULL, e);
}

enum err machines_remove(struct db *db, const char *agent_id, uint64_t *open, struct error *e)
{
    /* After the machine's row: its lock makes the machine's reports wait, and then find it gone. */
    static const int afterwards[] = {STATEMENT_VANISH_REMOVED, STATEMENT_REMOVE_USAGE,
                                     STATEMENT_REMOVE_FLEETS, STATEMENT_REMOVE_ACCESS};
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

enum err machines_rotate(struct db *db, const char *agent_id, int64_t *generation, struct error *e)
{
    struct params params = {0};
    uint64_t rotated = 0;

    params_text(&params, PARAM_AGENT, agent_id);
    enum err err = db_change(db, STATEMENT_ROTATE_TOKEN, &params, &rotated, e);
    if (!err && !rotated)
        return no_such_machine(agent_id, e);
    if (!err) /* a new agent may number its openings from 1 again */
        err = db_change(db, STATEMENT_FORGET_OPENINGS, &params, NULL, e);
    if (!err)
        err = db_select(db, STATEMENT_TOKEN_GENERATION, &params, e);
    const struct cell *row = db_row(db);
    if (row)
        *generation = cell_int(row);
    return err;
}

/* Sets the parameters of machine and user. They borrow `tenant_id`, which is filled. The machine's
 * row stays locked: it cannot be removed before the grant is committed. */
static enum err access_params(struct db *db, const char *agent_id, const char *user_id,
                              char tenant_id[IDENT_MAX + 1], struct params *out, struct error *e)
{
    *out = (struct params){0};
    *tenant_id = '\0';
    params_text(out, PARAM_AGENT, agent_id);
    params_text(out, PARAM_OF_USER, user_id);
    params_text(out, PARAM_TENANT, tenant_id);
    enum err err = db_select(db, STATEMENT_MACHINE_TENANT, out, e);
    const struct cell *row = db_row(db);
    if (row)
        snprintf(tenant_id, IDENT_MAX + 1, "%s", row[0].text);
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
    if (!err && affected)
        err = db_change(db, STATEMENT_REMOVE_FLEET, &params, NULL, e);
    *changed = affected > 0;
    return err;
}
