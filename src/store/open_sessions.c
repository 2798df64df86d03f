/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/open_sessions.h"

struct each_session {
    open_session_fn *fn;
    void *context;
};

static void session_row(void *context, const struct cell *cells)
{
    const struct each_session *each = context;
    struct open_session session = {
        .session_id = cells[0].text,
        .user_id = cells[1].text,
        .agent_id = cells[2].text,
        .source = cells[3].text,
        .state = cells[4].text,
        .started_at = cells[5].text,
    };

    each->fn(each->context, &session);
}

enum err open_sessions_list(struct db *db, const char *tenant_id, const char *agent_id,
                            open_session_fn *fn, void *context, struct error *e)
{
    struct params params = params_for(db, &(struct scope){.kind = SCOPE_ALL});
    struct each_session each = {fn, context};

    params_text(&params, PARAM_TENANT, tenant_id);
    params_text(&params, PARAM_AGENT, agent_id);
    return db_select(db, STATEMENT_LIST_SESSIONS, &params, session_row, &each, e);
}

enum err open_sessions_find(struct db *db, const char *session_id, open_session_fn *fn,
                            void *context, struct error *e)
{
    struct params params = params_for(db, &(struct scope){.kind = SCOPE_ALL});
    struct each_session each = {fn, context};

    params_text(&params, PARAM_SESSION, session_id);
    return db_select(db, STATEMENT_FIND_SESSION, &params, session_row, &each, e);
}
