/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

#include "ctl/args.h"
#include "ctl/site.h"
#include "ctl/table.h"
#include "store/open_sessions.h"
#include "store/sessions.h"

/* --- list ------------------------------------------------------------------------------------ */

enum { LIST_TENANT, LIST_AGENT };

struct listing {
    const char *tenant_id, *agent_id;
    struct table table;
};

static void list_session(struct table *table, const struct open_session *session)
{
    table_add(table, "%s", session->session_id);
    table_add(table, "%s", session->user_id);
    table_add(table, "%s", session->agent_id);
    table_add(table, "%s", session->source);
    table_add(table, "%s", session->state);
    table_add(table, "%s", session->started_at);
}

static enum err list_body(struct db *db, void *context, struct error *e)
{
    struct listing *listing = context;
    struct open_session session;
    enum err err = open_sessions_list(db, listing->tenant_id, listing->agent_id, e);

    table_clear(&listing->table);
    while (open_sessions_next(db, &session))
        list_session(&listing->table, &session);
    return err;
}

static enum err run_list(const struct call *call, struct error *e)
{
    struct listing listing = {
        .tenant_id = call->values[LIST_TENANT],
        .agent_id = call->values[LIST_AGENT],
        .table = {.columns = 6,
                  .headers = {"SESSION_ID", "USER_ID", "AGENT_ID", "SOURCE", "STATE", "SINCE"}},
    };
    enum err err = args_optional_ident("--tenant", listing.tenant_id, e);

    if (!err)
        err = args_optional_ident("--agent-id", listing.agent_id, e);
    if (!err)
        err = site_run(call, DB_READ, list_body, &listing, e);
    if (!err)
        table_print(&listing.table, stdout);
    table_clear(&listing.table);
    return err;
}

const struct command cmd_session_list = {
    .name = "session list",
    .summary = "List the sessions that have not ended, newest first.",
    .options =
        {
            [LIST_TENANT] = {"tenant", "ID", NULL, "only sessions of this tenant"},
            [LIST_AGENT] = {"agent-id", "ID", NULL, "only sessions on this machine"},
        },
    .run = run_list,
};

/* --- close ----------------------------------------------------------------------------------- */

enum { CLOSE_REASON };

static const struct {
    const char *state, *message;
} outcomes[] = {
    {"active", "its machine is told to end it"},
    {"offline", "its machine is offline, and is told to end it when it comes back"},
    {"closing", "its machine has been told to end it already"},
    {"closed", "it has ended already"},
};

struct close_order {
    const char *session_id, *reason;
    struct principal who;
    const char *message; /* what came of it */
};

static void note_state(struct close_order *order, const char *state)
{
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        if (strcmp(outcomes[i].state, state) == 0)
            order->message = outcomes[i].message;
    }
}

static enum err close_body(struct db *db, void *context, struct error *e)
{
    struct close_order *order = context;
    struct closing closing;
    struct open_session session;
    enum err err = open_sessions_find(db, order->session_id, e);

    if (open_sessions_next(db, &session))
        note_state(order, session.state);
    if (!err)
        err = sessions_close(db, &order->who, order->session_id, order->reason, &closing, e);
    if (err || !closing.signalled)
        return err;
    return site_audit(db,
                      &(struct audit_entry){.action = "session_end",
                                            .session_id = order->session_id,
                                            .agent_id = closing.agent_id,
                                            .detail = order->reason},
                      e);
}

static enum err run_close(const struct call *call, struct error *e)
{
    const char *reason = call->values[CLOSE_REASON];
    struct close_order order = {.session_id = call->operand,
                                .reason = reason ? reason : "",
                                .who = site_operator(),
                                .message = outcomes[0].message};
    enum err err = args_ident("SESSION_ID", call->operand, e);

    if (!err)
        err = args_text("--reason", order.reason, REASON_MAX, e);
    if (!err)
        err = site_run(call, DB_WRITE, close_body, &order, e);
    if (!err)
        printf("%s: %s\n", order.session_id, order.message);
    return err;
}

const struct command cmd_session_close = {
    .name = "session close",
    .summary = "End a session.",
    .operand = "SESSION_ID",
    .options = {[CLOSE_REASON] = {"reason", "TEXT", NULL, "why, to be shown to its user"}},
    .run = run_close,
};
