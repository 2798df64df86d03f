/* SPDX-License-Identifier: MIT */
/* vsayctl activity: the commands that were run, or with --follow, those that are run from now on.
 *
 * Reading what exists is the API's own search (store/history.h), with the same bound: it ends after
 * 20,000 entries and says how far back it got. Following reads by the primary key instead. An index
 * on time would miss commands that agents report late; see store/follow.h. */
#include "config.h"
#include "ctl/ctl.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/check.h"
#include "ctl/output.h"
#include "ctl/context.h"
#include "store/follow.h"

enum { GREP, MACHINE, USER, SESSION, LIMIT, FOLLOW };
enum { GREP_MAX = 256, ACTIVITY_MAX = 1000, PAUSE = 1000 /* ms */ };

static const struct output_column columns[] = {
    {"TIME", "executed_at", COLUMN_TEXT, NULL},   {"SESSION_ID", "session_id", COLUMN_TEXT, NULL},
    {"USER_ID", "user_id", COLUMN_TEXT, NULL},    {"AGENT_ID", "agent_id", COLUMN_TEXT, NULL},
    {"SUCCESS", "success", COLUMN_BOOLEAN, NULL}, {"EXIT", "exit_code", COLUMN_NUMBER, NULL},
    {"COMMAND", "command", COLUMN_TEXT, NULL},
};

/* Widths of ids as vsay makes them, so that columns seldom widen. */
static const size_t widths[] = {20, 37, 12, 12};

/* The columns of history_commands. */
enum {
    ROW_SESSION = 1,
    ROW_COMMAND,
    ROW_AGENT = 4,
    ROW_USER,
    ROW_TIME = 8,
    ROW_SUCCESS,
    ROW_EXIT_CODE
};

static void add_row(struct output *output, const struct cell *row)
{
    const char *const cells[] = {
        row[ROW_TIME].text,    row[ROW_SESSION].text,   row[ROW_USER].text,   row[ROW_AGENT].text,
        row[ROW_SUCCESS].text, row[ROW_EXIT_CODE].text, row[ROW_COMMAND].text};

    output_row(output, cells);
}

/* --- existing commands ----------------------------------------------------------------------- */

struct search {
    const struct history_filter *filter;
    struct output *output;
    struct position searched_to; /* "": to the end */
};

/* The newest row is the last, next to the prompt. */
static enum err search_body(struct db *db, void *context, struct error *e)
{
    struct search *search = context;
    struct history history = {0};
    enum err err =
        history_commands(db, &(struct scope){.kind = SCOPE_ALL}, search->filter, &history, e);

    output_clear(search->output);
    search->searched_to = err || !history.cut ? (struct position){0} : history.end;
    for (size_t i = err ? 0 : history.count; i > 0; i--)
        add_row(search->output, history.rows[i - 1]);
    history_free(&history);
    return err;
}

static enum err show(const struct invocation *invocation, const struct history_filter *filter,
                     struct output *output, struct error *e)
{
    struct search search = {.filter = filter, .output = output};
    enum err err = context_run(invocation, DB_READ, search_body, &search, e);

    if (!err)
        output_print(output);
    if (!err && *search.searched_to.at)
        log_say("vsayctl: searched no further back than %.19sZ", search.searched_to.at);
    return err;
}

/* --- new commands ---------------------------------------------------------------------------- */

struct following {
    struct follow follow;
    struct output *output;
    bool more; /* the pass continues at once */
    bool lost; /* the database did not answer */
};

static enum err begin_body(struct db *db, void *context, struct error *e)
{
    struct following *following = context;

    return follow_begin(db, &following->follow, e);
}

static enum err look_body(struct db *db, void *context, struct error *e)
{
    struct following *following = context;
    struct history history;
    enum err err = follow_page(db, &following->follow, &history, e);

    for (size_t i = 0; i < history.count; i++)
        add_row(following->output, history.rows[i]);
    following->more = history.more;
    history_free(&history);
    output_stream(following->output);
    return err;
}

/* Reports an error that may pass by itself once, and its end. --follow is left running for hours,
 * on a screen or in a log, so it must outlive a restart of the database. */
static enum err tolerate(struct following *following, enum err err, const struct error *e)
{
    bool lost = err == ERR_DB_AWAY || err == ERR_DB_BUSY || err == ERR_DB_CONFLICT;

    if (lost && !following->lost)
        log_say("vsayctl: %s; trying again", e->detail);
    if (!err && following->lost)
        log_say("vsayctl: the database answers again");
    following->lost = lost;
    return lost ? ERR_OK : err;
}

/* Waits that long. True: nobody reads the output any more. */
static bool is_unread(int milliseconds)
{
    struct pollfd output = {.fd = STDOUT_FILENO};

    return poll(&output, 1, milliseconds) > 0;
}

/* Runs until a signal or an error. When nobody reads the output any more, it ends by SIGPIPE as
 * other programs do, which the client library ignores. */
static enum err keep_looking(struct db *db, struct following *following, struct error *e)
{
    enum err err = ERR_OK;

    while (!err) {
        err = tolerate(following, db_run(db, DB_READ, look_body, following, e), e);
        bool written = !fflush(stdout) && !ferror(stdout);
        if (is_unread(err || !written || following->more ? 0 : PAUSE)) {
            signal(SIGPIPE, SIG_DFL);
            raise(SIGPIPE);
        }
        if (!err && !written)
            err = error_set(e, ERR_IO, "cannot write the output");
    }
    return err;
}

static enum err follow(const struct invocation *invocation, const struct history_filter *filter,
                       struct output *output, struct error *e)
{
    struct following following = {.follow = {.filter = filter}, .output = output};
    struct context ctx = {0};
    enum err err = context_open(&ctx, invocation, e);

    if (!err)
        err = db_run(ctx.db, DB_READ, begin_body, &following, e);
    if (!err) {
        output_begin(output);
        err = keep_looking(ctx.db, &following, e);
    }
    follow_free(&following.follow);
    context_close(&ctx);
    return err;
}

/* --- the command line ------------------------------------------------------------------------ */

static enum err parse_limit(const struct invocation *invocation, struct history_filter *out,
                            struct error *e)
{
    const char *text = invocation->values[LIMIT];
    long limit = 0;

    if (text && invocation->values[FOLLOW])
        return error_set(e, ERR_REQUEST, "--limit: cannot be used with --follow");
    enum err err = check_number("--limit", text ? text : "100", ACTIVITY_MAX, &limit, e);
    out->limit = (size_t)limit;
    return err;
}

static enum err parse_filter(const struct invocation *invocation, struct history_filter *out,
                             struct error *e)
{
    const char *text = invocation->values[GREP];

    *out = (struct history_filter){.q = text,
                                   .agent_id = invocation->values[MACHINE],
                                   .user_id = invocation->values[USER],
                                   .session_id = invocation->values[SESSION]};
    enum err err = parse_limit(invocation, out, e);
    if (!err && text && !*text)
        err = error_set(e, ERR_REQUEST, "--grep: is empty");
    if (!err && text)
        err = check_text("--grep", text, GREP_MAX, e);
    if (!err)
        err = check_optional_ident("--machine", out->agent_id, e);
    if (!err && out->user_id)
        err = check_user_id("--user", out->user_id, e);
    if (!err)
        err = check_optional_ident("--session", out->session_id, e);
    return err;
}

static enum err run(const struct invocation *invocation, struct error *e)
{
    struct output output = {.name = "activity",
                            .columns = columns,
                            .width = sizeof columns / sizeof *columns,
                            .json = invocation->json};
    struct history_filter filter;
    enum err err = parse_filter(invocation, &filter, e);

    if (!err && invocation->values[FOLLOW]) {
        memcpy(output.widths, widths, sizeof widths);
        err = follow(invocation, &filter, &output, e);
    } else if (!err) {
        err = show(invocation, &filter, &output, e);
    }
    output_clear(&output);
    return err;
}

const struct subcommand cmd_activity = {
    .name = "activity",
    .summary = "Show the newest commands that were run, the newest last.",
    .options =
        {
            [GREP] = {"grep", "TEXT", .help = "only commands that contain it, in any case"},
            [MACHINE] = {"machine", "AGENT_ID", .help = "only commands on this machine"},
            [USER] = {"user", "USER_ID", .help = "only commands of this user"},
            [SESSION] = {"session", "SESSION_ID", .help = "only commands of this session"},
            [LIMIT] = {"limit", "N", .help = "no more than N, up to 1000; otherwise 100"},
            [FOLLOW] = {"follow", .help = "show new ones as they come, until interrupted"},
        },
    .run = run,
};
