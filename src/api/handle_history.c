/* SPDX-License-Identifier: MIT */
/* GET /api/sessions, GET /api/sessions/:id/activity, GET /api/activity: sessions and commands of
 * the past, with filters. A search looks at a limited number of rows, so a page may end before it
 * is full. GET /api/sessions/:id: one session, the outcome of its termination, and its commands.
 * GET /api/audit: who did what and who looked at what. */
#include "config.h"
#include "api/call.h"

#include <json.h>
#include <stdio.h>
#include <string.h>

#include "api/list.h"
#include "base/clock.h"
#include "store/audit.h"
#include "store/history.h"

/* --- columns ---------------------------------------------------------------------------------- */

static const struct column session_columns[] = {
    /* in the order of SESSION in statements_sessions.c */
    {.name = "session_id"},
    {.name = "agent_id"},
    {.name = "machine_name"},
    {.name = "user_id"},
    {.name = "username"},
    {.name = "source"},
    {.name = "status"},
    {.name = "started_at"},
    {.name = "browser"},
    {.name = "os"},
    {.name = "ended_at"},
    {.name = "close_reason"},
    {.name = "requested_by", .group = "termination"},
    {.name = "requested_at", .group = "termination"},
    {.name = "delivered_at", .group = "termination"},
    {.name = "attempts", .kind = COLUMN_INTEGER, .group = "termination"},
    {.name = "confirmed_at", .group = "termination"},
    {.name = "outcome", .group = "termination"},
    {.name = "requested_by_username", .group = "termination"},
    {.name = "reason", .group = "termination"},
    {.name = "exit_code", .kind = COLUMN_INTEGER},
    {.name = "recorded", .kind = COLUMN_BOOLEAN},
    {.name = "not_recorded_reason"},
    {.name = "source_address"},
    {.name = "last_activity_at"},
    {.name = "commands", .kind = COLUMN_INTEGER}, /* in lists only */
};

static const struct column command_columns[] = {
    /* in the order of HISTORY_COMMANDS */
    {.name = "id"},
    {.name = "session_id"},
    {.name = "command"},
    {.name = "machine_name"},
    {.name = "agent_id"},
    {.name = "user_id"},
    {.name = "username"},
    {.name = "source"},
    {.name = "timestamp"},
    {.name = "success", .kind = COLUMN_BOOLEAN},
    {.name = "exit_code", .kind = COLUMN_INTEGER},
};

static const struct column log_columns[] = {
    {.name = "command"},
    {.name = "timestamp"},
    {.name = "success", .kind = COLUMN_BOOLEAN},
};

static const struct columns sessions = COLUMNS("sessions", session_columns);
static const struct columns session = {.items = session_columns, .count = SESSION_COLUMNS};
static const struct columns logs = COLUMNS("logs", log_columns);
static const struct columns activities = COLUMNS("activities", command_columns);

/* --- filters ---------------------------------------------------------------------------------- */

/* The position of an RFC 3339 time: ranges of an index begin and end at positions. */
static struct position time_of(const struct query *query, const char *name)
{
    const char *text = query_text(query, name);
    struct position position = {.id = 0};
    char sql[SQL_TIME_LENGTH + 1];

    if (text && clock_parse(text, sql))
        snprintf(position.at, sizeof position.at, "%.10sT%s000", sql, sql + 11);
    return position;
}

static struct history_filter filter_of(const struct query *query)
{
    static const bool yes = true, no = false;
    const char *success = query_text(query, "success");
    struct history_filter filter = {
        .user_id = query_text(query, "user_id"),
        .agent_id = query_text(query, "agent_id"),
        .session_id = query_text(query, "session_id"),
        .source = query_text(query, "source"),
        .q = query_text(query, "q"),
        .state = query_text(query, "status"),
        .ended_by = query_text(query, "ended_by"),
        .from = time_of(query, "from"),
        .until = time_of(query, "to"),
        .limit = (size_t)query_number(query, "limit", PAGE_DEFAULT),
    };

    if (success)
        filter.success = *success == 't' ? &yes : &no;
    query_position(query, &filter.before);
    return filter;
}

/* --- responses -------------------------------------------------------------------------------- */

static struct response *page_response(const struct call *call, const struct columns *columns,
                                      const struct history *history)
{
    struct list *list = list_new(columns, call->format);
    struct page_end end = {.is_search = true};

    for (size_t i = 0; i < history->count; i++)
        list_add(list, history->rows[i]);
    if (history->more)
        query_cursor_format(&history->end, end.next_cursor);
    if (history->cut)
        snprintf(end.searched_to, sizeof end.searched_to, "%.19sZ", history->end.at);
    return list_response(list, &call->query, &end);
}

enum err handle_history(struct db *db, struct call *call, struct error *e)
{
    struct history_filter filter = filter_of(&call->query);
    struct history history;
    enum err err = history_sessions(db, &call->scope, &filter, &history, e);

    if (!err)
        call_respond(call, page_response(call, &sessions, &history));
    history_free(&history);
    return err;
}

static enum err handle_commands(struct db *db, struct call *call,
                                const struct history_filter *filter, struct error *e)
{
    struct history history;
    enum err err = history_commands(db, &call->scope, filter, &history, e);

    if (!err)
        call_respond(call, page_response(call, &activities, &history));
    history_free(&history);
    return err;
}

enum err handle_search(struct db *db, struct call *call, struct error *e)
{
    struct history_filter filter = filter_of(&call->query);

    return handle_commands(db, call, &filter, e);
}

enum err handle_session_activity(struct db *db, struct call *call, struct error *e)
{
    struct history_filter filter = filter_of(&call->query);
    enum err err = history_check_session(db, &call->scope, call->id, e);

    filter.session_id = call->id;
    return err ? err : handle_commands(db, call, &filter, e);
}

/* --- one session ------------------------------------------------------------------------------ */

enum err handle_receipt(struct db *db, struct call *call, struct error *e)
{
    const struct cell *row;
    enum err err = sessions_receipt(db, &call->scope, call->id, &row, e);
    if (err)
        return err;

    struct json_object *body = json_object_new_object(), *list = json_object_new_array();
    json_object_object_add(body, "session", list_object(&session, row));
    json_object_object_add(body, logs.list, list);
    err = sessions_log(db, call->id, e);
    while ((row = db_row(db)))
        json_object_array_add(list, list_object(&logs, row));
    if (err)
        json_object_put(body);
    else
        call_respond(call, response_json(200, body));
    return err;
}

/* --- the audit -------------------------------------------------------------------------------- */

static const struct column audit_columns[] = {
    /* in the order of AUDIT in statements_sessions.c */
    {.name = "id"},       {.name = "timestamp"},  {.name = "action"},    {.name = "user_id"},
    {.name = "username"}, {.name = "role"},       {.name = "tenant_id"}, {.name = "session_id"},
    {.name = "agent_id"}, {.name = "of_user_id"}, {.name = "detail"},    {.name = "request_id"},
};

static const struct columns entries = COLUMNS("entries", audit_columns);

static struct audit_filter audit_filter_of(const struct query *query)
{
    const char *from = query_text(query, "from"), *until = query_text(query, "to");
    struct audit_filter filter = {
        .user_id = query_text(query, "user_id"),
        .session_id = query_text(query, "session_id"),
        .limit = (size_t)query_number(query, "limit", PAGE_DEFAULT),
    };

    if (from)
        clock_parse(from, filter.from);
    if (until)
        clock_parse(until, filter.until);
    query_position(query, &filter.before);
    return filter;
}

enum err handle_audit(struct db *db, struct call *call, struct error *e)
{
    struct audit_filter filter = audit_filter_of(&call->query);
    struct list *list = list_new(&entries, call->format);
    struct position position, last, searched_to;
    struct page_end end = {.is_search = false};
    size_t count = 0;

    filter.limit++; /* one more row tells whether there is a next page */
    enum err err = audit_select(db, &filter, &searched_to, e);
    for (const struct cell *row; (row = audit_next(db, &position)) && ++count < filter.limit;) {
        list_add(list, row);
        last = position;
    }
    if (err) {
        list_free(list);
        return err;
    }
    if (count < filter.limit)
        last = searched_to;
    if (*last.at)
        query_cursor_format(&last, end.next_cursor);
    call_respond(call, list_response(list, &call->query, &end));
    return ERR_OK;
}
