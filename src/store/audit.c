/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/audit.h"

#include <stdio.h>

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

enum err audit_select(struct db *db, const struct audit_filter *filter, struct error *e)
{
    struct params params = {0};
    int statement = filter->session_id ? STATEMENT_AUDIT_OF_SESSION
                    : filter->user_id  ? STATEMENT_AUDIT_OF_USER
                                       : STATEMENT_AUDIT;

    params_text(&params, PARAM_BY_USER, filter->user_id);
    params_text(&params, PARAM_SESSION, filter->session_id);
    params_text(&params, PARAM_AFTER_AT, or_else(filter->from, "1970-01-01"));
    params_text(&params, PARAM_UPTO_AT, or_else(filter->until, "9999-12-31"));
    params_text(&params, PARAM_BEFORE_AT, or_else(filter->before.at, "9999-12-31"));
    params_uint(&params, PARAM_BEFORE_ID, filter->before.id);
    params_uint(&params, PARAM_LIMIT, filter->limit);
    return db_select(db, statement, &params, e);
}

/* The position is behind the columns. */
const struct cell *audit_next(struct db *db, struct position *position)
{
    enum { AT = 12, ID };
    const struct cell *row = db_row(db);

    if (row) {
        snprintf(position->at, sizeof position->at, "%s", row[AT].text);
        position->id = (uint64_t)cell_int(&row[ID]);
    }
    return row;
}
