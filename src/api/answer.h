/* SPDX-License-Identifier: MIT */
/* The handlers of the routes: answer_<resource>.c turn rows into JSON. */
#ifndef API_ANSWER_H
#define API_ANSWER_H

#include "api/route.h"

route_answer answer_health;
route_answer answer_ready;
route_answer answer_sessions;
route_answer answer_session_close;
route_answer answer_stats;
route_answer answer_recent_activity;
route_answer answer_recent_machines;

route_ask ask_sessions;

#endif
