/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/route.h"

#include <string.h>

#include "store/sessions.h"
#include "store/usage.h"

enum {
    READ = METHOD_GET | METHOD_HEAD,
    PEOPLE = 1 << ROLE_USER | 1 << ROLE_COMPANY_ADMIN | 1 << ROLE_SUPER_ADMIN,
    SUPER_ADMINS = 1 << ROLE_SUPER_ADMIN,
    AGENT = 1 << ROLE_AGENT,
    NO_BODY = 4096, /* bytes of an unused body that are tolerated */
    REPORT = 128 * 1024,
    LARGE_REPORT = 4 * 1024 * 1024
};

/* clang-format off */
#define AGENT_ID {.name = "agent_id", .kind = QUERY_IDENT}
#define USER_ID {.name = "user_id", .kind = QUERY_USER}
#define SOURCE {.name = "source", .kind = QUERY_CHOICE, .choices = PROTOCOL_SOURCE_NAMES}
#define TEXT {.name = "q", .kind = QUERY_TEXT, .min = 1, .max = 200}
#define PERIOD {.name = "from", .kind = QUERY_TIME}, {.name = "to", .kind = QUERY_TIME}
#define END {.name = NULL}
/* clang-format on */

static const struct query_parameter of_active_sessions[] = {AGENT_ID, USER_ID, SOURCE, QUERY_PAGE,
                                                            END};
static const struct query_parameter of_sessions[] = {
    {.name = "status", .kind = QUERY_CHOICE, .choices = "active closing closed"},
    USER_ID,
    AGENT_ID,
    SOURCE,
    TEXT,
    PERIOD,
    {.name = "ended_by", .kind = QUERY_USER},
    QUERY_PAGE,
    END};
static const struct query_parameter of_activity[] = {
    TEXT,     USER_ID,
    AGENT_ID, {.name = "session_id", .kind = QUERY_IDENT},
    SOURCE,   {.name = "success", .kind = QUERY_CHOICE, .choices = "true false"},
    PERIOD,   QUERY_PAGE,
    END};
static const struct query_parameter of_pages[] = {QUERY_PAGE, END};
static const struct query_parameter of_machines[] = {
    {.name = "status", .kind = QUERY_CHOICE, .choices = "online offline"},
    TEXT,
    {.name = "limit", .kind = QUERY_NUMBER, .min = 1, .max = PAGE_MAX},
    {.name = "cursor", .kind = QUERY_IDENT},
    END};
static const struct query_parameter of_usage[] = {
    {.name = "hours", .kind = QUERY_NUMBER, .min = 1, .max = USAGE_HOURS_MAX}, END};
static const struct query_parameter of_audit[] = {
    PERIOD, USER_ID, {.name = "session_id", .kind = QUERY_IDENT}, QUERY_PAGE, END};
static const struct query_parameter of_closing[] = {
    {.name = "reason", .kind = QUERY_TEXT, .min = 0, .max = REASON_MAX}, END};
static const struct query_parameter of_signals[] = {
    {.name = "wait", .kind = QUERY_NUMBER, .min = 0, .max = POLL_WAIT_MAX}, END};

/* In the order of the tables in docs/api.md. `shared` may be set only where the response depends on
 * nothing but the call's key (see call_key). A route that writes has DB_WRITE, and is never shared.
 */
const struct route routes[] = {
    {.methods = READ,
     .pattern = "/health",
     .roles = ANYONE,
     .body_limit = NO_BODY,
     .immediate = true,
     .handle = handle_health},
    {.methods = READ,
     .pattern = "/health/ready",
     .roles = ANYONE,
     .body_limit = NO_BODY,
     .shared = true,
     .handle = handle_ready},
    {.methods = READ,
     .pattern = "/api/terminal/sessions",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .parameters = of_active_sessions,
     .shared = true,
     .parse = parse_sessions,
     .batch = handle_sessions},
    {.methods = METHOD_DELETE,
     .pattern = "/api/terminal/sessions/:id",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .mode = DB_WRITE,
     .parameters = of_closing,
     .parse = parse_session_close,
     .handle = handle_session_close,
     .waits_for = WAIT_END,
     .timeout = timeout_session_close,
     .notify = notify_session_close},
    {.methods = READ,
     .pattern = "/api/sessions",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .parameters = of_sessions,
     .list = true,
     .shared = true,
     .handle = handle_history},
    {.methods = READ,
     .pattern = "/api/sessions/:id",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .handle = handle_receipt,
     .action = "session_view"},
    {.methods = READ,
     .pattern = "/api/sessions/:id/activity",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .parameters = of_pages,
     .list = true,
     .shared = true,
     .handle = handle_session_activity,
     .action = "session_view"},
    {.methods = READ,
     .pattern = "/api/activity",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .parameters = of_activity,
     .list = true,
     .shared = true,
     .handle = handle_search,
     .action = "activity_search"},
    {.methods = READ,
     .pattern = "/api/machines",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .parameters = of_machines,
     .list = true,
     .shared = true,
     .handle = handle_machines},
    {.methods = READ,
     .pattern = "/api/machines/:id",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .handle = handle_machine},
    {.methods = READ,
     .pattern = "/api/machines/:id/usage",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .parameters = of_usage,
     .list = true,
     .shared = true,
     .handle = handle_machine_usage},
    {.methods = READ,
     .pattern = "/api/dashboard/stats",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .batch = handle_stats},
    {.methods = READ,
     .pattern = "/api/dashboard/recent-activity",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .batch = handle_recent_activity},
    {.methods = READ,
     .pattern = "/api/dashboard/recent-machines",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .batch = handle_recent_machines},
    {.methods = READ,
     .pattern = "/api/dashboard/usage",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .parameters = of_usage,
     .list = true,
     .shared = true,
     .handle = handle_fleet_usage},
    {.methods = READ,
     .pattern = "/api/audit",
     .roles = SUPER_ADMINS,
     .body_limit = NO_BODY,
     .parameters = of_audit,
     .list = true,
     .shared = true,
     .handle = handle_audit},
    {.methods = READ,
     .pattern = "/api/login",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .immediate = true,
     .handle = handle_whoami},
    {.methods = METHOD_POST,
     .pattern = "/api/login",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .action = "login",
     .immediate = true,
     .parse = parse_login,
     .handle = handle_login},
    {.methods = METHOD_DELETE,
     .pattern = "/api/login",
     .roles = ANYONE,
     .body_limit = NO_BODY,
     .immediate = true,
     .parse = parse_logout,
     .handle = handle_logout},
    {.methods = READ,
     .pattern = "/metrics",
     .roles = 1 << ROLE_SUPER_ADMIN | 1 << ROLE_METRICS,
     .body_limit = NO_BODY,
     .shared = true,
     .handle = handle_metrics,
     .unavailable = unavailable_metrics},
    {.methods = METHOD_POST,
     .pattern = "/api/agent/heartbeat",
     .roles = AGENT,
     .body_limit = REPORT,
     .mode = DB_WRITE,
     .parse = parse_heartbeat,
     .batch = handle_heartbeats,
     .notify = notify_heartbeat},
    /* No HEAD: a poll leases the signals that it returns, and a HEAD would return none. */
    {.methods = METHOD_GET,
     .pattern = "/api/agent/signals",
     .roles = AGENT,
     .body_limit = NO_BODY,
     .mode = DB_WRITE,
     .parameters = of_signals,
     .parse = parse_signals,
     .batch = handle_signals,
     .waits_for = WAIT_SIGNAL,
     .timeout = timeout_signals},
    {.methods = METHOD_POST,
     .pattern = "/api/agent/sessions",
     .roles = AGENT,
     .body_limit = REPORT,
     .mode = DB_WRITE,
     .parse = parse_session_open,
     .handle = handle_session_open},
    {.methods = METHOD_POST,
     .pattern = "/api/agent/sessions/:id/end",
     .roles = AGENT,
     .body_limit = REPORT,
     .mode = DB_WRITE,
     .parse = parse_session_end,
     .handle = handle_session_end,
     .notify = notify_session_end},
    {.methods = METHOD_POST,
     .pattern = "/api/agent/activity",
     .roles = AGENT,
     .body_limit = LARGE_REPORT,
     .mode = DB_WRITE,
     .parse = parse_activity,
     .batch = handle_activity},
};

const size_t routes_count = sizeof routes / sizeof *routes;

/* A revoked token still has a valid signature, so the agent is checked before megabytes are
 * parsed. */
const struct route route_admission = {
    .pattern = "admission", .mode = DB_READ, .batch = handle_admissions};

/* `:id` is one segment, and at most one in a pattern. */
static bool matches(const char *pattern, const char *path, struct segment *id)
{
    size_t fixed = strcspn(pattern, ":");

    *id = (struct segment){0};
    if (!pattern[fixed])
        return strcmp(pattern, path) == 0;
    if (strncmp(pattern, path, fixed) != 0)
        return false;
    *id = (struct segment){path + fixed, strcspn(path + fixed, "/")};
    return id->length > 0 && strcmp(id->text + id->length, pattern + fixed + strlen(":id")) == 0;
}

/* Goes through the whole table even after a match, since Allow lists the methods of all routes with
 * that path (RFC 9110 section 10.2.1). */
const struct route *route_find(const char *path, enum method method, unsigned *allow,
                               struct segment *id)
{
    const struct route *found = NULL;
    struct segment segment;

    *allow = 0;
    for (size_t i = 0; i < routes_count; i++) {
        if (!matches(routes[i].pattern, path, &segment))
            continue;
        *allow |= routes[i].methods;
        *id = segment;
        if (routes[i].methods & method)
            found = &routes[i];
    }
    return found;
}
