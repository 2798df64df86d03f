/* SPDX-License-Identifier: MIT */
/* The handlers of the routes: answer_<resource>.c turn rows into JSON. */
#ifndef API_ANSWER_H
#define API_ANSWER_H

#include "api/question.h"
#include "store/agents.h"

enum { POLL_WAIT_MAX = 55 /* s */ };

route_answer answer_health;
route_answer answer_ready;
route_answer answer_whoami;
route_answer answer_login;
route_answer answer_logout;
route_answer answer_metrics;
route_answer answer_session_close;
route_answer answer_receipt;
route_answer answer_audit;
route_answer answer_history;
route_answer answer_search;
route_answer answer_session_activity;
route_answer answer_machines;
route_answer answer_machine;
route_answer answer_machine_usage;
route_answer answer_fleet_usage;
route_answer answer_session_open;
route_answer answer_session_end;

route_batch answer_admissions;
route_batch answer_sessions;
route_batch answer_stats;
route_batch answer_recent_activity;
route_batch answer_recent_machines;
route_batch answer_heartbeats;
route_batch answer_signals;
route_batch answer_activity;

route_ask ask_login;
route_ask ask_logout;
route_ask ask_sessions;
route_ask ask_session_close;
route_ask ask_heartbeat;
route_ask ask_signals;
route_ask ask_session_open;
route_ask ask_session_end;
route_ask ask_activity;

route_late late_session_close;
route_late late_signals;
route_late refused_metrics;

route_after after_session_close;
route_after after_session_end;
route_after after_heartbeat;

/* The machine that asks; borrows from the question. */
struct agent answer_agent_of(const struct question *question);

/* For an agent that is not admitted: 409 when another instance reports, else 401 for a token that
 * was good before its machine was given another. */
struct reply *reply_not_admitted(const struct agent *agent);

#endif
