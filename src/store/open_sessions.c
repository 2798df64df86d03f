/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/open_sessions.h"

enum err open_sessions_list(struct db *db, const struct session_choice *choice, struct error *e)
{
    struct params params = params_for(db, &(struct scope){.kind = SCOPE_ALL});

    params_text(&params, PARAM_TENANT, choice->tenant_id);
    params_text(&params, PARAM_AGENT, choice->agent_id);
    params_text(&params, PARAM_OF_USER, choice->user_id);
    params_uint(&params, PARAM_LIMIT, choice->limit);
    return db_select(db, choice->closed ? STATEMENT_LIST_ALL_SESSIONS : STATEMENT_LIST_SESSIONS,
                     &params, e);
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
            .username = row[6].text,
        };
    return row;
}
