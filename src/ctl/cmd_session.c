/* SPDX-License-Identifier: MIT */
/* vsayctl session: lists sessions and ends them, as an operator who may do so for all users.
 *
 * Ending one only writes the signal, like DELETE in the API; the machine carries it out. With
 * --wait the receipt is read until the machine has confirmed, so a script knows the difference
 * between an order and its result. */
#include "config.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/check.h"
#include "ctl/output.h"
#include "ctl/context.h"
#include "store/sessions.h"

/* --- list ------------------------------------------------------------------------------------ */

enum { LIST_TENANT, LIST_MACHINE, LIST_AGENT, LIST_USER, LIST_ALL, LIST_LIMIT };

static const struct output_column list_columns[] = {
    {"SESSION_ID", "session_id", COLUMN_TEXT, NULL}, {"USER_ID", "user_id", COLUMN_TEXT, NULL},
    {"AGENT_ID", "agent_id", COLUMN_TEXT, NULL},     {"SOURCE", "source", COLUMN_TEXT, NULL},
    {"STATE", "state", COLUMN_TEXT, NULL},           {"SINCE", "started_at", COLUMN_TEXT, NULL},
    {"USERNAME", "username", COLUMN_TEXT, NULL},
};

struct listing {
    struct session_list_filter filter;
    struct output output;
};

static enum err list_body(struct db *db, void *context, struct error *e)
{
    struct listing *listing = context;
    struct listed_session session;
    enum err err = sessions_list(db, &listing->filter, e);

    output_clear(&listing->output);
    while (sessions_list_next(db, &session)) {
        const char *const cells[] = {session.session_id, session.user_id, session.agent_id,
                                     session.source,     session.state,   session.started_at,
                                     session.username};
        output_row(&listing->output, cells);
    }
    return err;
}

static enum err parse_filter(const struct invocation *invocation, struct session_list_filter *out,
                             struct error *e)
{
    long limit = 0;

    *out = (struct session_list_filter){.tenant_id = invocation->values[LIST_TENANT],
                                        .agent_id = invocation->values[LIST_MACHINE],
                                        .user_id = invocation->values[LIST_USER],
                                        .closed = invocation->values[LIST_ALL]};
    enum err err = check_optional_ident("--tenant", out->tenant_id, e);
    if (!err && invocation->values[LIST_AGENT])
        out->agent_id = invocation->values[LIST_AGENT];
    if (!err)
        err = check_optional_ident("--machine", out->agent_id, e);
    if (!err && out->user_id)
        err = check_user_id("--user", out->user_id, e);
    if (!err)
        err = check_number("--limit", invocation->values[LIST_LIMIT], 10000, &limit, e);
    out->limit = (uint64_t)limit;
    return err;
}

static enum err run_list(const struct invocation *invocation, struct error *e)
{
    struct listing listing = {
        .output = {.name = "sessions",
                   .columns = list_columns,
                   .width = sizeof list_columns / sizeof *list_columns,
                   .json = invocation->json},
    };
    enum err err = parse_filter(invocation, &listing.filter, e);

    if (!err)
        err = context_run(invocation, DB_READ, list_body, &listing, e);
    if (!err)
        output_print(&listing.output);
    output_clear(&listing.output);
    return err;
}

const struct subcommand cmd_session_list = {
    .name = "session list",
    .summary = "List the sessions that have not ended, newest first.",
    .options =
        {
            [LIST_TENANT] = {"tenant", "ID", .help = "only sessions of this tenant"},
            [LIST_MACHINE] = {"machine", "AGENT_ID", .help = "only sessions on this machine"},
            [LIST_AGENT] = {"agent-id", "AGENT_ID", .help = "the same"},
            [LIST_USER] = {"user", "USER_ID", .help = "only sessions of this user"},
            [LIST_ALL] = {"all", .help = "also sessions that have ended"},
            [LIST_LIMIT] = {"limit", "N", .help = "no more than the newest N, up to 10000",
                            .fallback = "1000"},
        },
    .run = run_list,
};

/* --- close ----------------------------------------------------------------------------------- */

enum { CLOSE_REASON, CLOSE_WAIT, CLOSE_TIMEOUT };

static const struct {
    const char *state, *message;
} outcomes[] = {
    {"active", "its machine is told to end it"},
    {"offline", "its machine is offline, and is told to end it when it comes back"},
    {"closing", "its machine has been told to end it already"},
    {"closed", "it has ended already"},
};

/* The waitlist of a worker is not at hand here, so the receipt is read again and again: one row by
 * its key. */
enum { WAIT_PAUSE = 300000 }; /* us */

struct close_order {
    const char *session_id, *reason;
    struct principal who;
    const char *message; /* the outcome */
};

static void note_state(struct close_order *order, const char *state)
{
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        if (strcmp(outcomes[i].state, state) == 0)
            order->message = outcomes[i].message;
    }
}

/* Reads the state first: afterwards it would be `closing`, whether the machine is there or not. */
static enum err close_body(struct db *db, void *context, struct error *e)
{
    struct close_order *order = context;
    struct closing closing;
    struct listed_session session;
    enum err err = sessions_find(db, order->session_id, e);

    if (sessions_list_next(db, &session))
        note_state(order, session.state);
    if (!err)
        err = sessions_close(db, &order->who, order->session_id, order->reason, &closing, e);
    if (err || !closing.signalled)
        return err;
    return context_audit(db,
                         &(struct audit_entry){.action = "session_end",
                                               .session_id = order->session_id,
                                               .agent_id = closing.agent_id,
                                               .detail = order->reason},
                         e);
}

/* --- waiting for the receipt ----------------------------------------------------------------- */

struct wait {
    const char *session_id;
    bool ended;
    char outcome[32]; /* "": the session had ended before the request */
};

static enum err wait_body(struct db *db, void *context, struct error *e)
{
    struct wait *wait = context;
    const struct cell *row;
    enum err err =
        sessions_receipt(db, &(struct scope){.kind = SCOPE_ALL}, wait->session_id, &row, e);
    if (err)
        return err;
    const char *outcome = row[SESSION_OUTCOME].text;
    wait->ended = strcmp(row[SESSION_STATE].text, "closed") == 0;
    snprintf(wait->outcome, sizeof wait->outcome, "%s", outcome ? outcome : "");
    return ERR_OK;
}

/* Waits until the session has ended and its machine has confirmed it. The order is committed by
 * then; otherwise no machine would see it. */
static enum err await_receipt(const struct invocation *invocation, struct close_order *order,
                              long timeout, struct error *e)
{
    struct wait wait = {.session_id = order->session_id};
    struct context ctx = {0};
    time_t end = time(NULL) + timeout;
    enum err err = context_open(&ctx, invocation, e);

    while (!err) {
        err = db_run(ctx.db, DB_READ, wait_body, &wait, e);
        if (err || wait.ended || time(NULL) >= end)
            break;
        usleep(WAIT_PAUSE);
    }
    context_close(&ctx);
    if (err)
        return err;
    if (!wait.ended)
        return error_set(e, ERR_IO, "%s: has not ended within %ld s; %s", order->session_id,
                         timeout, order->message);
    if (*wait.outcome && strcmp(wait.outcome, "confirmed") != 0)
        return error_set(e, ERR_IO, "%s: its machine has not confirmed its end: %s",
                         order->session_id, wait.outcome);
    order->message = "it has ended";
    return ERR_OK;
}

static void print_outcome(const struct invocation *invocation, const struct close_order *order)
{
    if (!invocation->json) {
        printf("%s: %s\n", order->session_id, order->message);
        return;
    }
    struct json_object *object = json_object_new_object();
    output_member(object, "session_id", order->session_id);
    output_member(object, "message", order->message);
    output_json(object, true);
}

static enum err run_close(const struct invocation *invocation, struct error *e)
{
    const char *reason = invocation->values[CLOSE_REASON];
    struct close_order order = {.session_id = invocation->operand,
                                .reason = reason ? reason : "",
                                .who = context_operator(),
                                .message = outcomes[0].message};
    long timeout = 0;
    enum err err = check_ident("SESSION_ID", invocation->operand, e);

    if (!err)
        err = check_text("--reason", order.reason, REASON_MAX, e);
    if (!err)
        err = check_seconds("--timeout", invocation->values[CLOSE_TIMEOUT], &timeout, e);
    if (!err)
        err = context_run(invocation, DB_WRITE, close_body, &order, e);
    if (!err && invocation->values[CLOSE_WAIT])
        err = await_receipt(invocation, &order, timeout, e);
    if (!err)
        print_outcome(invocation, &order);
    return err;
}

const struct subcommand cmd_session_close = {
    .name = "session close",
    .summary = "End a session.",
    .operand = "SESSION_ID",
    .options =
        {
            [CLOSE_REASON] = {"reason", "TEXT", .help = "why, to be shown to its user"},
            [CLOSE_WAIT] = {"wait", .help = "until it has ended; status 1: not confirmed"},
            [CLOSE_TIMEOUT] = {"timeout", "TIME", .help = "how long to wait", .fallback = "60s"},
        },
    .run = run_close,
};
