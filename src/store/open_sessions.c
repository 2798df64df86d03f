/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/open_sessions.h"

enum err open_sessions_list(struct db *db, const char *tenant_id, const char *agent_id,
                            struct error *e)
{
    struct params params = params_for(db, &(struct scope){.kind = SCOPE_ALL});

    params_text(&params, PARAM_TENANT, tenant_id);
    params_text(&params, PARAM_AGENT, agent_id);
    return db_select(db, STATEMENT_LIST_SESSIONS, &params, e);
}

enum err open_sessions_find(struct db *db, const char *session_id, struct error *e)
{
    struct params params = params_for(db, &(struct scope){.kind = SCOPE_ALL});

    params_text(&params, PARAM_SESSION, session_id);
    return db_select(db, STATEMENT_FIND_SESSION, &params, e);
}

bool open_sessions_next(struct db *db, struct open_session *out)
{
    const struct cell *row = db_row(db);

    if (row)
        *out = (struct open_session){
            .session_id = row[0].text,
            .user_id = row[1].text,
            .agent_id = row[2].text,
            .source = row[3].text,
            .state = row[4].text,
            .started_at = row[5].text,
        };
    return row;
}
