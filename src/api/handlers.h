/* SPDX-License-Identifier: MIT */
/* The functions of the routes, implemented in handle_<resource>.c: parse_* reads the input,
 * handle_* answers with JSON, timeout_* and unavailable_* answer without the database, notify_*
 * logs and audits. */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/call.h"
#include "store/agents.h"

enum { POLL_WAIT_MAX = 55 /* s */ };

route_handle handle_health;
route_handle handle_ready;
route_handle handle_whoami;
route_handle handle_login;
route_handle handle_logout;
route_handle handle_metrics;
route_handle handle_session_close;
route_handle handle_receipt;
route_handle handle_audit;
route_handle handle_history;
route_handle handle_search;
route_handle handle_session_activity;
route_handle handle_machines;
route_handle handle_machine;
route_handle handle_machine_usage;
route_handle handle_fleet_usage;
route_handle handle_session_open;
route_handle handle_session_end;

route_batch handle_admissions;
route_batch handle_sessions;
route_batch handle_stats;
route_batch handle_recent_activity;
route_batch handle_recent_machines;
route_batch handle_heartbeats;
route_batch handle_signals;
route_batch handle_activity;

route_parse parse_login;
route_parse parse_logout;
route_parse parse_sessions;
route_parse parse_session_close;
route_parse parse_heartbeat;
route_parse parse_signals;
route_parse parse_session_open;
route_parse parse_session_end;
route_parse parse_activity;

route_fallback timeout_session_close;
route_fallback timeout_signals;
route_fallback unavailable_metrics;

route_notify notify_session_close;
route_notify notify_session_end;
route_notify notify_heartbeat;

/* The agent that makes the request; borrows from the call. */
struct reporter handler_agent(const struct call *call);

/* The response for an agent that is not admitted: 409 when another instance reports for the
 * machine, 401 when the token was revoked. */
struct response *response_not_admitted(const struct reporter *agent);

#endif
