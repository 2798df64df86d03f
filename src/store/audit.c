/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/audit.h"

#include <stdio.h>

static void position_read(struct position *position, const struct cell *cells)
{
    snprintf(position->at, sizeof position->at, "%s", cells[0].text);
    position->id = (uint64_t)cell_int(&cells[1]);
}

enum err audit_add(struct db *db, const struct audit_entry *entries, size_t count, struct error *e)
{
    struct rows rows = {0};

    for (size_t i = 0; i < count; i++) {
        const struct audit_entry *entry = &entries[i];
        rows_uint(&rows, PARAM_AGE, entry->age);
        rows_text(&rows, PARAM_TENANT, entry->who->tenant_id);
        rows_text(&rows, PARAM_BY_USER, entry->who->user_id);
        rows_text(&rows, PARAM_BY_USERNAME, entry->who->username);
        rows_text(&rows, PARAM_ROLE, entry->role);
        rows_text(&rows, PARAM_ACTION, entry->action);
        rows_text(&rows, PARAM_SESSION, entry->session_id);
        rows_text(&rows, PARAM_AGENT, entry->agent_id);
        rows_text(&rows, PARAM_OF_USER, entry->of_user_id);
        rows_text(&rows, PARAM_DETAIL, entry->detail);
        rows_text(&rows, PARAM_REQUEST, entry->request_id);
    }
    enum err err = db_bulk(db, STATEMENT_ADD_AUDIT, NULL, &rows, e);
    rows_free(&rows);
    return err;
}

static const char *or_else(const char *text, const char *fallback)
{
    return *text ? text : fallback;
}

/* The filters except the user. */
static struct params params_of(const struct audit_filter *filter)
{
    struct params params = {0};

    params_text(&params, PARAM_SESSION, filter->session_id);
    params_text(&params, PARAM_AFTER_AT, or_else(filter->from, "1970-01-01"));
    params_text(&params, PARAM_UPTO_AT, or_else(filter->until, "9999-12-31"));
    params_text(&params, PARAM_BEFORE_AT, or_else(filter->before.at, "9999-12-31"));
    params_uint(&params, PARAM_BEFORE_ID, filter->before.id);
    params_uint(&params, PARAM_LIMIT, filter->limit);
    return params;
}

/* Finds where a search among a session's entries ends: at the last entry that it may read. Leaves
 * *end empty if there are fewer. */
static enum err find_end(struct db *db, const struct params *filters, struct position *end,
                         struct error *e)
{
    struct params params = *filters;

    params_uint(&params, PARAM_SKIP, AUDIT_READ_MAX - 1);
    enum err err = db_select(db, STATEMENT_AUDIT_END, &params, e);
    const struct cell *row = db_row(db);
    if (row)
        position_read(end, &row[0]);
    return err;
}

enum err audit_select(struct db *db, const struct audit_filter *filter, struct position *end,
                      struct error *e)
{
    struct params params = params_of(filter);
    int statement = filter->session_id ? STATEMENT_AUDIT_OF_SESSION
                    : filter->user_id  ? STATEMENT_AUDIT_OF_USER
                                       : STATEMENT_AUDIT;
    enum err err = ERR_OK;

    *end = (struct position){.id = 0};
    if (filter->session_id && filter->user_id)
        err = find_end(db, &params, end, e);
    if (err)
        return err;
    if (*end->at)
        params_text(&params, PARAM_AFTER_AT, end->at);
    params_text(&params, PARAM_BY_USER, filter->user_id);
    return db_select(db, statement, &params, e);
}

/* The position follows the columns. */
const struct cell *audit_next(struct db *db, struct position *position)
{
    enum { AT = 12 };
    const struct cell *row = db_row(db);

    if (row)
        position_read(position, &row[AT]);
    return row;
}
