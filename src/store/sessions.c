/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/sessions.h"

#include <string.h>

enum err sessions_active(struct db *db, const struct callers *callers,
                         const struct session_filter *filter, struct error *e)
{
    struct params params = scope_params(db, callers->scopes[0]);
    bool first = !*filter->before.at;

    params_filled(&params, PARAM_AGENT, filter->agent_id);
    params_filled(&params, PARAM_OF_USER, filter->user_id);
    params_text(&params, PARAM_SOURCE, filter->source);
    params_text(&params, PARAM_BEFORE_AT, first ? "9999-12-31" : filter->before.at);
    params_uint(&params, PARAM_BEFORE_ID, filter->before.id);
    params_uint(&params, PARAM_LIMIT, filter->limit ? filter->limit : INT64_MAX);
    return callers_load(db, callers, callers_statement(callers, STATEMENT_ACTIVE_SESSIONS), &params,
                        e);
}

bool sessions_next(struct db *db, const struct callers *callers, size_t *caller,
                   struct active_session *out)
{
    const struct cell *row = callers_row(db, callers, caller);

    for (; row && !row[1].text;
         row = callers_row(db, callers, caller)) /* this row counts machines */
        callers->rows[*caller] += (uint64_t)cell_int(&row[0]);
    if (!row)
        return false;
    *out = (struct active_session){
        .id = cell_int(&row[0]),
        .session_id = row[1].text,
        .agent_id = row[2].text,
        .machine_name = row[3].text,
        .user_id = row[4].text,
        .username = row[5].text,
        .source = row[6].text,
        .browser = row[7].text,
        .os = row[8].text,
        .started_at = row[9].text,
    };
    return true;
}

enum err sessions_close(struct db *db, const struct principal *who, const char *session_id,
                        const char *reason, struct closing *out, struct error *e)
{
    struct scope scope = scope_of(who);
    struct params params = scope_params(db, &scope);
    uint64_t changed = 0;

    *out = (struct closing){0};

    params_text(&params, PARAM_SESSION, session_id);
    enum err err = db_select(db, STATEMENT_CLOSING_RIGHT + (int)scope.kind, &params, e);
    const struct cell *row = db_row(db);
    if (err)
        return err;
    if (!row)
        return error_public(e, ERR_NOT_FOUND, "Session not found");
    /* Copied, since the next statement drops the row. */
    cell_ident(&row[0], out->agent_id);
    out->closed = strcmp(row[1].text, "closed") == 0;
    cell_ident(&row[2], out->tenant_id);
    if (!cell_int(&row[3]))
        return error_public(e, ERR_FORBIDDEN, "You may not close this session");

    /* Only the first of several requests changes the row, and only that one adds a signal. */
    err = db_change(db, STATEMENT_CLOSE_SESSION, &params, &changed, e);
    if (err || changed == 0)
        return err;
    out->signalled = true;
    params_text(&params, PARAM_AGENT, out->agent_id);
    params_text(&params, PARAM_BY_USER, who->user_id);
    params_text(&params, PARAM_BY_USERNAME, who->username);
    params_text(&params, PARAM_REASON, reason);
    return db_change(db, STATEMENT_ADD_SIGNAL, &params, NULL, e);
}

/* --- receipts --------------------------------------------------------------------------------- */

enum err sessions_receipt(struct db *db, const struct scope *scope, const char *session_id,
                          const struct cell **out, struct error *e)
{
    struct params params = scope_params(db, scope);

    params_text(&params, PARAM_SESSION, session_id);
    enum err err = db_select(db, STATEMENT_RECEIPT + (int)scope->kind, &params, e);
    *out = db_row(db);
    if (!err && !*out)
        err = error_public(e, ERR_NOT_FOUND, "Session not found");
    return err;
}

enum err sessions_log(struct db *db, const char *session_id, struct error *e)
{
    struct params params = {0};

    params_text(&params, PARAM_SESSION, session_id);
    return db_select(db, STATEMENT_LOGS, &params, e);
}

/* --- for the operator ------------------------------------------------------------------------- */

enum err sessions_list(struct db *db, const struct session_list_filter *filter, struct error *e)
{
    struct params params = scope_params(db, &(struct scope){.kind = SCOPE_ALL});

    params_text(&params, PARAM_TENANT, filter->tenant_id);
    params_text(&params, PARAM_AGENT, filter->agent_id);
    params_text(&params, PARAM_OF_USER, filter->user_id);
    params_uint(&params, PARAM_LIMIT, filter->limit);
    return db_select(db, filter->closed ? STATEMENT_LIST_ALL_SESSIONS : STATEMENT_LIST_SESSIONS,
                     &params, e);
}

enum err sessions_find(struct db *db, const char *session_id, struct error *e)
{
    struct params params = scope_params(db, &(struct scope){.kind = SCOPE_ALL});

    params_text(&params, PARAM_SESSION, session_id);
    return db_select(db, STATEMENT_FIND_SESSION, &params, e);
}

bool sessions_list_next(struct db *db, struct listed_session *out)
{
    const struct cell *row = db_row(db);

    if (row)
        *out = (struct listed_session){
            .session_id = row[0].text,
            .user_id = row[1].text,
            .agent_id = row[2].text,
            .source = row[3].text,
            .state = row[4].text,
            .started_at = row[5].text,
            .username = row[6].text,
        };
    return row;
}
