/* SPDX-License-Identifier: MIT */
/* GET /api/audit: who did what and who looked at what, newest first. */
#include "config.h"
#include "api/call.h"

#include <string.h>

#include "api/list.h"
#include "base/clock.h"
#include "store/audit.h"

static const struct column audit_columns[] = {
    /* in the order of AUDIT in statements_sessions.c */
    {.name = "id"},       {.name = "timestamp"},  {.name = "action"},    {.name = "user_id"},
    {.name = "username"}, {.name = "role"},       {.name = "tenant_id"}, {.name = "session_id"},
    {.name = "agent_id"}, {.name = "of_user_id"}, {.name = "detail"},    {.name = "request_id"},
};

static const struct columns entries = COLUMNS("entries", audit_columns);

static struct audit_filter filter_of(const struct query *query)
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
    struct audit_filter filter = filter_of(&call->query);
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
