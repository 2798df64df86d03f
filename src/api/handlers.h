/* SPDX-License-Identifier: MIT */
/* The handlers of the routes: answer_<resource>.c turn rows into JSON. */
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

route_late late_session_close;
route_late late_signals;
route_late refused_metrics;

route_after after_session_close;
route_after after_session_end;
route_after after_heartbeat;

/* The machine that asks; borrows from the call. */
struct agent handler_agent(const struct call *call);

/* For an agent that is not admitted: 409 when another instance reports, else 401 for a token that
 * was good before its machine was given another. */
struct response *response_not_admitted(const struct agent *agent);

#endif
