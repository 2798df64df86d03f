/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/ctl.h"

#include "base/log.h"
#include "ctl/args.h"
#include "ctl/output.h"
#include "ctl/site.h"
#include "store/history.h"

enum { GREP, MACHINE, USER, LIMIT };
enum { GREP_MAX = 256, ACTIVITY_MAX = 1000 };

static const struct column columns[] = {
    {"TIME", "executed_at", COLUMN_TEXT, NULL},   {"SESSION_ID", "session_id", COLUMN_TEXT, NULL},
    {"USER_ID", "user_id", COLUMN_TEXT, NULL},    {"AGENT_ID", "agent_id", COLUMN_TEXT, NULL},
    {"SUCCESS", "success", COLUMN_BOOLEAN, NULL}, {"EXIT", "exit_code", COLUMN_NUMBER, NULL},
    {"COMMAND", "command", COLUMN_TEXT, NULL},
};

/* Columns of history_commands. */
enum {
    ROW_SESSION = 1,
    ROW_COMMAND,
    ROW_AGENT = 4,
    ROW_USER,
    ROW_TIME = 8,
    ROW_SUCCESS,
    ROW_EXIT_CODE
};

struct search {
    struct history_filter filter;
    struct output output;
    struct position searched_to; /* "": as far as there is any */
};

/* The newest come last, next to the prompt. */
static enum err search_body(struct db *db, void *context, struct error *e)
{
    struct search *search = context;
    struct history history = {0};
    enum err err =
        history_commands(db, &(struct scope){.kind = SCOPE_ALL}, &search->filter, &history, e);

    output_clear(&search->output);
    search->searched_to = err || !history.cut ? (struct position){0} : history.end;
    for (size_t i = err ? 0 : history.count; i > 0; i--) {
        const struct cell *row = history.rows[i - 1];
        const char *const cells[] = {row[ROW_TIME].text,    row[ROW_SESSION].text,
                                     row[ROW_USER].text,    row[ROW_AGENT].text,
                                     row[ROW_SUCCESS].text, row[ROW_EXIT_CODE].text,
                                     row[ROW_COMMAND].text};
        output_row(&search->output, cells);
    }
    history_free(&history);
    return err;
}

static enum err take_filter(const struct call *call, struct history_filter *out, struct error *e)
{
    const char *text = call->values[GREP];
    long limit = 0;

    *out = (struct history_filter){
        .q = text, .agent_id = call->values[MACHINE], .user_id = call->values[USER]};
    enum err err = args_number("--limit", call->values[LIMIT], ACTIVITY_MAX, &limit, e);
    if (!err && text && !*text)
        err = error_set(e, ERR_REQUEST, "--grep: is empty");
    if (!err && text)
        err = args_text("--grep", text, GREP_MAX, e);
    if (!err)
        err = args_optional_ident("--machine", out->agent_id, e);
    if (!err && out->user_id)
        err = args_user_id("--user", out->user_id, e);
    out->limit = (size_t)limit;
    return err;
}

static enum err run(const struct call *call, struct error *e)
{
    struct search search = {.output = {.name = "activity",
                                       .columns = columns,
                                       .width = sizeof columns / sizeof *columns,
                                       .json = call->json}};
    enum err err = take_filter(call, &search.filter, e);

    if (!err)
        err = site_run(call, DB_READ, search_body, &search, e);
    if (!err)
        output_print(&search.output);
    if (!err && *search.searched_to.at)
        log_say("vsayctl: searched no further back than %.19sZ", search.searched_to.at);
    output_clear(&search.output);
    return err;
}

const struct command cmd_activity = {
    .name = "activity",
    .summary = "Show the newest commands that were run, the newest last.",
    .options =
        {
            [GREP] = {"grep", "TEXT", NULL, "only commands that contain it, in any case"},
            [MACHINE] = {"machine", "AGENT_ID", NULL, "only commands on this machine"},
            [USER] = {"user", "USER_ID", NULL, "only commands of this user"},
            [LIMIT] = {"limit", "N", "100", "no more than N, up to 1000"},
        },
    .run = run,
};
