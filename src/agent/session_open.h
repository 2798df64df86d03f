/* SPDX-License-Identifier: MIT */
/* Tells vsay of sessions that were opened, and again of those that it has lost: its database was
 * restored, or a replica that lacked them took over. For the sender's thread. */
#ifndef AGENT_SESSION_OPEN_H
#define AGENT_SESSION_OPEN_H

#include <stdbool.h>

#include "agent/agent.h"
#include "agent/http.h"

struct session_open {
    struct agent *agent;
    struct http *http;
    bool end_requested; /* see session_open_take_end_request */
};

/* Takes ownership of `opening`. */
enum http_outcome session_open_send(struct session_open *opener, struct json_object *opening,
                                    struct error *e);

/* Opens again what a heartbeat's answer names as unknown, as far as it goes: the next heartbeat
 * names the rest. */
void session_open_repeat_all(struct session_open *opener, struct json_object *unknown);

/* Opens again, once each, the sessions that a batch of commands has met and vsay does not know:
 * `errors` are those of the answer. HTTP_MISSING: there were none that are held. */
enum http_outcome session_open_repair(struct session_open *opener, struct json_object *errors,
                                      const struct record *records, size_t count);

/* Whether a session that was opened must end, and its machine has not been told yet: the next
 * heartbeat tells it of all of these. Asking forgets it. */
bool session_open_take_end_request(struct session_open *opener);

#endif
