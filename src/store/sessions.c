/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/sessions.h"

#include <string.h>

const char *session_source(const char *name)
{
    static const char *const sources[] = {"ui", "cli", "vscode"};

    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        if (strcmp(sources[i], name) == 0)
            return sources[i];
    }
    return NULL;
}

struct each_session {
    const struct callers *callers;
    session_fn *fn;
    void *context;
};

static void session_row(void *context, size_t caller, const struct cell *cells)
{
    const struct each_session *each = context;

    if (!cells[1].text) { /* only how many machines there are */
        each->callers->rows[caller] += (uint64_t)cell_int(&cells[0]);
        return;
    }
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

    each->fn(each->context, caller, &session);
}

enum err sessions_active(struct db *db, const struct callers *callers,
                         const struct session_filter *filter, session_fn *fn, void *context,
                         struct error *e)
{
    struct params params = params_for(db, callers->scopes[0]);
    bool first = !*filter->before.started_at;
    struct each_session each = {callers, fn, context};

    params_filled(&params, PARAM_AGENT, filter->agent_id);
    params_filled(&params, PARAM_OF_USER, filter->user_id);
    params_text(&params, PARAM_SOURCE, filter->source);
    params_text(&params, PARAM_BEFORE_AT, first ? "9999-12-31" : filter->before.started_at);
    params_uint(&params, PARAM_BEFORE_ID, filter->before.id);
    params_uint(&params, PARAM_LIMIT, filter->limit ? filter->limit : INT64_MAX);
    return load_rows(db, callers, callers_statement(callers, STATEMENT_ACTIVE_SESSIONS), &params,
                     session_row, &each, e);
}

struct right {
    bool visible, may_close;
    struct closing *closing;
};

static void right_row(void *context, const struct cell *cells)
{
    struct right *right = context;

    right->visible = true;
    cell_ident(&cells[0], right->closing->agent_id);
    right->closing->closed = strcmp(cells[1].text, "closed") == 0;
    right->may_close = cell_int(&cells[2]) != 0;
}

enum err sessions_close(struct db *db, const struct principal *who, const char *session_id,
                        const char *reason, struct closing *out, struct error *e)
{
    struct scope scope = scope_of(who);
    struct params params = params_for(db, &scope);
    struct right right = {.closing = out};
    uint64_t changed = 0;

    *out = (struct closing){0};

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
    out->signalled = true;
    params_text(&params, PARAM_AGENT, out->agent_id);
    params_text(&params, PARAM_BY_USER, who->user_id);
    params_text(&params, PARAM_BY_USERNAME, who->username);
    params_text(&params, PARAM_REASON, reason);
    return db_change(db, STATEMENT_ADD_SIGNAL, &params, NULL, e);
}

/* --- receipts -------------------------------------------------------------------------------- */

struct reader {
    receipt_fn *fn;
    log_fn *log;
    void *context;
    bool found;
};

static void receipt_row(void *context, const struct cell *cells)
{
    struct reader *reader = context;
    struct receipt receipt = {
        .session_id = cells[0].text,
        .agent_id = cells[1].text,
        .machine_name = cells[2].text,
        .user_id = cells[3].text,
        .username = cells[4].text,
        .source = cells[5].text,
        .state = cells[6].text,
        .started_at = cells[7].text,
        .browser = cells[8].text,
        .os = cells[9].text,
        .ended_at = cells[10].text,
        .close_reason = cells[11].text,
        .exit_code = cells[12].text,
        .requested_by = cells[13].text,
        .requested_at = cells[14].text,
        .delivered_at = cells[15].text,
        .attempts = cells[16].text,
        .confirmed_at = cells[17].text,
        .outcome = cells[18].text,
        .not_recorded = cells[19].text,
    };

    reader->found = true;
    reader->fn(reader->context, &receipt);
}

static void log_row(void *context, const struct cell *cells)
{
    const struct reader *reader = context;
    struct log_entry entry = {cells[0].text, cells[1].text, cells[2].text};

    reader->log(reader->context, &entry);
}

enum err sessions_receipt(struct db *db, const struct scope *scope, const char *session_id,
                          receipt_fn *fn, log_fn *log, void *context, struct error *e)
{
    struct params params = params_for(db, scope);
    struct reader reader = {fn, log, context, false};

    params_text(&params, PARAM_SESSION, session_id);
    enum err err =
        db_select(db, STATEMENT_RECEIPT + (int)scope->kind, &params, receipt_row, &reader, e);
    if (!err && !reader.found)
        err = error_tell(e, ERR_NOT_FOUND, "Session not found");
    return err ? err : db_select(db, STATEMENT_LOGS, &params, log_row, &reader, e);
}
