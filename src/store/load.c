/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/load.h"

#include <stdlib.h>
#include <string.h>

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

size_t callers_find(const struct callers *callers, const char *id)
{
    const struct scope **found =
        bsearch(id, callers->scopes, callers->count, sizeof *callers->scopes, compare_owner);

    return found ? (size_t)(found - callers->scopes) : callers->count;
}

enum err load_rows(struct db *db, const struct callers *callers, int statement,
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

const struct cell *load_row(struct db *db, const struct callers *callers, size_t *caller)
{
    const struct cell *row = db_row(db);

    *caller = 0;
    if (!callers->several)
        return row;
    while (row && (*caller = callers_find(callers, row[0].text)) == callers->count)
        row = db_row(db);
    if (!row)
        return NULL;
    callers->rows[*caller]++;
    return row + 1;
}
