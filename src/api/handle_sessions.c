/* SPDX-License-Identifier: MIT */
/* GET /api/terminal/sessions: the active sessions. DELETE /api/terminal/sessions/:id: ends one. The
 * DELETE writes a signal, which wakes the agent's poll; with `Prefer: wait` the response comes once
 * the agent has confirmed the end.
 *
 * The list has no pages unless `limit` is given, as the public contract knows none. */
#include "config.h"
#include "api/call.h"

#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "api/auditor.h"
#include "base/log.h"
#include "base/xalloc.h"

enum { CLOSE_WAIT_MAX = 30 /* s */ };

/* --- listing: input --------------------------------------------------------------------------- */

/* `out` has room for the longest id of the parameter's kind. */
static void copy_id(const struct query *query, const char *name, char *out)
{
    const char *value = query_text(query, name);

    strcpy(out, value ? value : "");
}

enum err parse_sessions(struct request *request, struct call *call, struct error *e)
{
    const struct query *query = &call->query;
    struct session_filter *filter = &call->filter;

    (void)request;
    copy_id(query, "agent_id", filter->agent_id);
    copy_id(query, "user_id", filter->user_id);
    filter->source = query_text(query, "source");
    filter->limit = (uint64_t)query_number(query, "limit", 0);
    if (query_position(query, &filter->before) && !filter->limit)
        return error_public(e, ERR_REQUEST, "cursor needs limit");
    return ERR_OK;
}

/* --- listing: responses ----------------------------------------------------------------------- */

struct page {
    struct json_object *list;
    uint64_t limit; /* 0: no pages */
    bool more;
    struct position last; /* last row of the page */
};

static struct json_object *text_or_null(const char *text)
{
    return text ? json_object_new_string(text) : NULL;
}

/* RFC 3339 with whole seconds. */
static struct json_object *time_of(const char *started_at)
{
    char text[21];

    memcpy(text, started_at, 19);
    memcpy(text + 19, "Z", 2);
    return json_object_new_string(text);
}

/* For users, the statement returns what it finds in their own sessions and on their machines, which
 * may be more than a page: the surplus only says that there is a next one. */
static void add_session(struct page *page, const struct active_session *session)
{
    if (page->limit && json_object_array_length(page->list) == page->limit) {
        page->more = true;
        return;
    }
    struct json_object *item = json_object_new_object();
    json_object_object_add(item, "session_id", json_object_new_string(session->session_id));
    json_object_object_add(item, "agent_id", json_object_new_string(session->agent_id));
    json_object_object_add(item, "machine_name", json_object_new_string(session->machine_name));
    json_object_object_add(item, "user_id", json_object_new_string(session->user_id));
    json_object_object_add(item, "username", json_object_new_string(session->username));
    json_object_object_add(item, "source", json_object_new_string(session->source));
    json_object_object_add(item, "status", json_object_new_string("active"));
    json_object_object_add(item, "started_at", time_of(session->started_at));
    json_object_object_add(item, "browser", text_or_null(session->browser));
    json_object_object_add(item, "os", text_or_null(session->os));
    json_object_array_add(page->list, item);
    page->last.id = (uint64_t)session->id;
    memcpy(page->last.at, session->started_at, sizeof page->last.at);
}

static struct json_object *next_cursor(const struct page *page)
{
    char text[CURSOR_MAX + 1];

    if (!page->more)
        return NULL;
    query_cursor_format(&page->last, text);
    return json_object_new_string(text);
}

/* Takes ownership of the page's list. */
static struct response *page_response(const struct page *page)
{
    struct json_object *body = json_object_new_object();

    json_object_object_add(body, "sessions", page->list);
    if (page->limit)
        json_object_object_add(body, "next_cursor", next_cursor(page));
    return response_json(200, body);
}

/* All calls have the same filter, since it is part of their key. */
enum err handle_sessions(struct db *db, struct call **calls, size_t count, struct error *e)
{
    struct callers callers = calls_callers(calls, count);
    struct session_filter filter = calls[0]->filter;
    struct page *pages = xcalloc(count, sizeof *pages);
    struct active_session session;
    size_t caller;

    for (size_t i = 0; i < count; i++)
        pages[i] = (struct page){.list = json_object_new_array(), .limit = filter.limit};
    if (filter.limit)
        filter.limit++; /* one more row tells whether there is a next page */
    enum err err = sessions_active(db, &callers, &filter, e);
    while (sessions_next(db, &callers, &caller, &session))
        add_session(&pages[caller], &session);
    for (size_t i = 0; i < count; i++) {
        if (err)
            json_object_put(pages[i].list);
        else
            call_respond(calls[i], page_response(&pages[i]));
    }
    free(pages);
    calls_loaded(calls, &callers);
    return err;
}

/* --- closing ---------------------------------------------------------------------------------- */

enum err parse_session_close(struct request *request, struct call *call, struct error *e)
{
    const char *reason = query_text(&call->query, "reason");

    (void)e;
    call->wait = request_prefers_wait(request);
    if (call->wait > CLOSE_WAIT_MAX)
        call->wait = CLOSE_WAIT_MAX;
    strcpy(call->reason, reason ? reason : "");
    return ERR_OK;
}

static struct response *close_response(const struct call *call, int status, const char *message)
{
    struct response *response = response_message(status, message);

    response->waited = call->wait;
    return response;
}

struct response *timeout_session_close(const struct call *call)
{
    return call->wait ? close_response(call, 202, "Session closing")
                      : close_response(call, 200, "Session closed");
}

/* With `Prefer: wait`, responds when the session has ended or the wait is over. Runs again whenever
 * the request is woken; then the session is closing already, and no second signal is written. */
enum err handle_session_close(struct db *db, struct call *call, struct error *e)
{
    struct closing *closing = &call->closing;
    enum err err = sessions_close(db, &call->who, call->id, call->reason, closing, e);

    if (err)
        return err;
    if (closing->signalled) {
        call->wakes = WAIT_SIGNAL;
        strcpy(call->wake_key, closing->agent_id);
    }
    if (closing->closed || !call->wait)
        call_respond(call, close_response(call, 200, "Session closed"));
    else
        call->outcome = OUTCOME_WAIT;
    return ERR_OK;
}

void notify_session_close(const struct call *call)
{
    const struct closing *closing = &call->closing;
    const struct principal *who = &call->who;

    if (!closing->signalled) /* the end was requested before, and logged then */
        return;
    log_event(
        LEVEL_INFO, "session_close",
        "session=%s machine=%s tenant=%s user=%s username=\"%s\" user_tenant=%s reason=\"%s\" "
        "id=%s",
        call->id, closing->agent_id, closing->tenant_id, who->user_id, who->username,
        who->tenant_id, call->reason, call->request_id);
    auditor_note(call, "session_end", closing->agent_id, call->reason);
}
