/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/sessions.h"

#include <string.h>

struct each_session {
    session_fn *fn;
    void *context;
};

static void session_row(void *context, const struct cell *cells)
{
    const struct each_session *each = context;
    struct session session = {
        .id = cell_int(&cells[0]),
        .session_id = cells[1].text,
        .agent_id = cells[2].text,
        .machine_name = cells[3].text,
        .user_id = cells[4].text,
        .username = cells[5].text,
        .source = cells[6].text,
        .browser = cells[7].text,
        .os = cells[8].text,
        .started_at = cells[9].text,
    };

    each->fn(each->context, &session);
}

static const char *text_or_null(const char *s)
{
    return *s ? s : NULL;
}

enum err sessions_active(struct db *db, const struct scope *scope,
                         const struct session_filter *filter, session_fn *fn, void *context,
                         struct error *e)
{
    struct params params = params_for(db, scope);
    bool first = !*filter->before.started_at;
    struct each_session each = {fn, context};

    params_text(&params, PARAM_AGENT, text_or_null(filter->agent_id));
    params_text(&params, PARAM_OF_USER, text_or_null(filter->user_id));
    params_text(&params, PARAM_SOURCE, filter->source);
    params_text(&params, PARAM_BEFORE_AT, first ? "9999-12-31" : filter->before.started_at);
    params_uint(&params, PARAM_BEFORE_ID, filter->before.id);
    params_uint(&params, PARAM_LIMIT, filter->limit ? filter->limit : INT64_MAX);
    return db_select(db, STATEMENT_ACTIVE_SESSIONS + (int)scope->kind, &params, session_row, &each,
                     e);
}

struct right {
    bool visible, may_close;
    char agent_id[IDENT_MAX + 1];
};

static void right_row(void *context, const struct cell *cells)
{
    struct right *right = context;

    right->visible = true;
    right->may_close = cell_int(&cells[1]) != 0;
    if (cells[0].length <= IDENT_MAX)
        memcpy(right->agent_id, cells[0].text, cells[0].length + 1);
}

enum err sessions_close(struct db *db, const struct principal *who, const char *session_id,
                        struct error *e)
{
    struct scope scope = scope_of(who);
    struct params params = params_for(db, &scope);
    struct right right = {0};
    uint64_t changed = 0;

    params_text(&params, PARAM_SESSION, session_id);
    enum err err =
        db_select(db, STATEMENT_CLOSING_RIGHT + (int)scope.kind, &params, right_row, &right, e);
    if (err)
        return err;
    if (!right.visible)
        return error_tell(e, ERR_NOT_FOUND, "Session not found");
    if (!right.may_close)
        return error_tell(e, ERR_FORBIDDEN, "You may not close this session");

    err = db_change(db, STATEMENT_CLOSE_SESSION, &params, &changed, e);
    if (err || changed == 0)
        return err;
    params_text(&params, PARAM_AGENT, right.agent_id);
    params_text(&params, PARAM_BY_USER, who->user_id);
    params_text(&params, PARAM_BY_USERNAME, who->username);
    return db_change(db, STATEMENT_ADD_SIGNAL, &params, NULL, e);
}
