/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/inventory.h"

#include <string.h>

/* Finds where the page's search ends: after INVENTORY_LOOKS machines, unless the list ends
 * before. */
static enum err find_end(struct db *db, const struct scope *scope, const struct params *params,
                         char searched_to[IDENT_MAX + 1], struct error *e)
{
    enum err err = db_select(db, STATEMENT_INVENTORY_END + (int)scope->kind, params, e);
    const struct cell *row = db_row(db);

    if (row)
        cell_ident(row, searched_to);
    return err;
}

enum err inventory_page(struct db *db, const struct scope *scope,
                        const struct inventory_filter *filter, char searched_to[IDENT_MAX + 1],
                        struct error *e)
{
    struct params params = params_for(db, scope);
    enum err err = ERR_OK;

    *searched_to = '\0';
    params_text(&params, PARAM_AGENT, filter->after ? filter->after : "");
    params_text(&params, PARAM_STATUS, filter->status);
    params_text(&params, PARAM_Q, filter->q);
    params_uint(&params, PARAM_LIMIT, filter->limit);
    params_uint(&params, PARAM_SKIP, INVENTORY_LOOKS - 1);
    if (filter->status || filter->q)
        err = find_end(db, scope, &params, searched_to, e);
    params_filled(&params, PARAM_UPTO_AGENT, searched_to);
    return err ? err : db_select(db, STATEMENT_INVENTORY + (int)scope->kind, &params, e);
}

enum err inventory_machine(struct db *db, const struct scope *scope, const char *agent_id,
                           struct error *e)
{
    struct params params = params_for(db, scope);

    params_text(&params, PARAM_AGENT, agent_id);
    return db_select(db, STATEMENT_INVENTORY_MACHINE + (int)scope->kind, &params, e);
}

enum err inventory_access(struct db *db, const char *agent_id, struct error *e)
{
    struct params params = {0};

    params_text(&params, PARAM_AGENT, agent_id);
    params_uint(&params, PARAM_LIMIT, INVENTORY_ACCESS_MAX);
    return db_select(db, STATEMENT_INVENTORY_ACCESS, &params, e);
}
