/* SPDX-License-Identifier: MIT */
/* The route table: for each method and path, the roles that may use it and the functions that serve
 * it.
 *
 * A request passes a route's functions in this order: `parse` reads the input, `handle` or `batch`
 * answers with the database, `notify` logs and audits what was committed. A handler that finds
 * nothing yet may let the request wait (`waits_for`); `timeout` answers it when the wait is over.
 * To add an endpoint, add a row in route.c, declare its functions below, where the file of each is
 * named, and follow docs/extending.md. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/query.h"
#include "api/response.h"
#include "api/request.h"
#include "api/waitlist.h"
#include "store/db.h"

struct call;

/* Parses the request's body, checks what the parameter table cannot express, and stores the result
 * in the call. */
typedef enum err route_parse(struct request *request, struct call *call, struct error *e);

/* Queries the database, then responds to the call or sets another outcome (see enum outcome). May
 * run again after a conflict or a lost connection. */
typedef enum err route_handle(struct db *db, struct call *call, struct error *e);

/* The same for several calls at once. */
typedef enum err route_batch(struct db *db, struct call **calls, size_t count, struct error *e);

/* Makes a response without the database. */
typedef struct response *route_fallback(const struct call *call);

/* Called after the commit, when what the request did or was shown is certain. Called again for each
 * attempt of a request that waits. */
typedef void route_notify(const struct call *call);

struct route {
    unsigned methods;    /* enum method bits; a GET that changes nothing has HEAD beside it */
    const char *pattern; /* `:id` stands for one identifier */
    unsigned roles;      /* bits 1 << enum role, or ANYONE: no token needed */
    size_t body_limit;   /* bytes */
    enum db_mode mode;
    const struct query_parameter *parameters; /* of the query string; NULL: none */
    bool list;                                /* available as JSON, CSV and NDJSON */
    bool shared;                              /* equal calls share one response */
    route_parse *parse;                       /* NULL: no input */
    route_handle *handle;                     /* gets db NULL when `immediate`; NULL: see batch */
    route_batch *batch;                       /* serves several calls at once */
    route_notify *notify;                     /* NULL: nothing to log */
    const char *action; /* name of a success in the audit; NULL: not audited */
    bool immediate;     /* needs no database */
    enum wait_for waits_for;
    route_fallback *timeout;     /* when the wait is over */
    route_fallback *unavailable; /* when the database is unavailable; NULL: an error */
};

enum { ANYONE = 0 };

extern const struct route routes[];
extern const size_t routes_count;

/* The admission check that precedes a large report: looks up the agent, without reading the
 * body. */
extern const struct route route_admission;

/* The part of a path that `:id` matched. */
struct segment {
    const char *text; /* NULL: the pattern has none */
    size_t length;
};

/* Finds the route of a path and method; NULL when there is none. *allow receives the methods of all
 * routes with that path; *id borrows from `path`. */
const struct route *route_find(const char *path, enum method method, unsigned *allow,
                               struct segment *id);

/* --- the routes' functions -------------------------------------------------------------------- */

/* parse_* reads the input, handle_* answers with JSON, timeout_* and unavailable_* answer without
 * the database, notify_* logs and audits. They are declared here and not in a header that includes
 * call.h, since a call knows its route, and the table must not depend on calls. */

enum { POLL_WAIT_MAX = 55 /* s; of GET /api/agent/signals */ };

/* handle_monitoring.c: health and metrics */
route_handle handle_health;
route_handle handle_ready;
route_handle handle_metrics;
route_fallback unavailable_metrics;

/* handle_sessions.c: the active sessions, and terminating one */
route_parse parse_sessions;
route_batch handle_sessions;
route_parse parse_session_close;
route_fallback timeout_session_close;
route_handle handle_session_close;
route_notify notify_session_close;

/* handle_history.c: sessions of any state, their commands, the audit */
route_handle handle_history;
route_handle handle_search;
route_handle handle_session_activity;
route_handle handle_receipt;
route_handle handle_audit;

/* handle_machines.c: machines, usage over time */
route_handle handle_machines;
route_handle handle_machine;
route_handle handle_machine_usage;
route_handle handle_fleet_usage;

/* handle_dashboard.c: the dashboard's other routes */
route_batch handle_stats;
route_batch handle_recent_activity;
route_batch handle_recent_machines;

/* handle_login.c: the cookie */
route_handle handle_whoami;
route_parse parse_login;
route_handle handle_login;
route_parse parse_logout;
route_handle handle_logout;

/* handle_agent.c: heartbeats, signals, sessions of agents */
route_parse parse_heartbeat;
route_batch handle_heartbeats;
route_notify notify_heartbeat;
route_parse parse_signals;
route_fallback timeout_signals;
route_batch handle_signals;
route_parse parse_session_open;
route_handle handle_session_open;
route_parse parse_session_end;
route_handle handle_session_end;
route_notify notify_session_end;

/* handle_activity.c: commands of agents, and their admission */
route_parse parse_activity;
route_batch handle_admissions;
route_batch handle_activity;

#endif
