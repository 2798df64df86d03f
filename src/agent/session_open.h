/* SPDX-License-Identifier: MIT */
/* Reports opened sessions to vsay, and reports them again when vsay has lost them: its database was
 * restored from a backup, or a replica without them took over. Part of the sender's thread. */
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

/* Attributes the session to a user and reports it. Takes ownership of `opening`. */
enum http_outcome session_open_send(struct session_open *opener, struct json_object *opening,
                                    struct error *e);

/* Opens the sessions again that a heartbeat's answer lists as unknown. Stops when vsay becomes
 * unreachable; the answer to the next heartbeat lists the rest. */
void session_open_repeat_all(struct session_open *opener, struct json_object *unknown);

/* Opens the sessions again, each once, that vsay did not know when it received a batch of commands.
 * `errors` are those of its answer. Returns HTTP_MISSING when none of them is held here. */
enum http_outcome session_open_repair(struct session_open *opener, struct json_object *errors,
                                      const struct record *records, size_t count);

/* Returns whether vsay answered an open report with a session that must end, and clears the flag.
 * The answer carries no reason, so a heartbeat should follow at once: its answer does. */
bool session_open_take_end_request(struct session_open *opener);

#endif
