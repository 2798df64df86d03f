/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/scope.h"

#include <stdlib.h>
#include <string.h>

/* The narrowest scope is the default, so that a role which is added later sees no more than that.
 */
struct scope scope_of(const struct principal *who)
{
    struct scope scope = {.kind = SCOPE_USER};

    if (who->role == ROLE_SUPER_ADMIN)
        scope.kind = SCOPE_ALL;
    else if (who->role == ROLE_COMPANY_ADMIN)
        scope.kind = SCOPE_TENANT;
    if (scope.kind != SCOPE_ALL)
        memcpy(scope.tenant_id, who->tenant_id, sizeof scope.tenant_id);
    if (scope.kind == SCOPE_USER)
        memcpy(scope.user_id, who->user_id, sizeof scope.user_id);
    return scope;
}

int scope_compare(const struct scope *a, const struct scope *b)
{
    int order = strcmp(a->tenant_id, b->tenant_id);

    return order ? order : strcmp(a->user_id, b->user_id);
}

struct params scope_params(const struct db *db, const struct scope *scope)
{
    const struct settings *settings = db_settings(db);
    struct params params = {0};

    params_text(&params, PARAM_TENANT, scope->tenant_id);
    params_text(&params, PARAM_USER, scope->user_id);
    params_uint(&params, PARAM_OFFLINE_AFTER, (uint64_t)settings->agents.offline_after);
    params_uint(&params, PARAM_EXPIRES, (uint64_t)settings->agents.signal_expires);
    return params;
}

/* --- several callers -------------------------------------------------------------------------- */

int callers_statement(const struct callers *callers, int statement)
{
    int kind = (int)callers->scopes[0]->kind;

    return statement + kind + (callers->several ? SCOPE_TENANTS - SCOPE_TENANT : 0);
}

static int compare_owner(const void *id, const void *member)
{
    const struct scope *scope = *(const struct scope *const *)member;

    return strcmp(id, scope->kind == SCOPE_USER ? scope->user_id : scope->tenant_id);
}

/* Index of the caller with that tenant or user id. callers->count: none. */
static size_t callers_find(const struct callers *callers, const char *id)
{
    const struct scope **found =
        bsearch(id, callers->scopes, callers->count, sizeof *callers->scopes, compare_owner);

    return found ? (size_t)(found - callers->scopes) : callers->count;
}

enum err callers_load(struct db *db, const struct callers *callers, int statement,
                      const struct params *params, struct error *e)
{
    struct rows rows = {0};

    if (!callers->several) /* a prepared statement is not parsed each time */
        return db_select(db, statement, params, e);
    for (size_t i = 0; i < callers->count; i++) {
        const struct scope *scope = callers->scopes[i];
        if (scope->kind == SCOPE_USER)
            rows_text(&rows, PARAM_USER, scope->user_id);
        else
            rows_text(&rows, PARAM_TENANT, scope->tenant_id);
    }
    enum err err = db_bulk(db, statement, params, &rows, e);
    rows_free(&rows);
    return err;
}

const struct cell *callers_row(struct db *db, const struct callers *callers, size_t *caller)
{
    const struct cell *row = db_row(db);

    *caller = 0;
    if (!callers->several)
        return row;
    /* Should a statement return a row of somebody else, nobody gets it. */
    while (row && (*caller = callers_find(callers, row[0].text)) == callers->count)
        row = db_row(db);
    if (!row)
        return NULL;
    callers->rows[*caller]++;
    return row + 1;
}
