/* SPDX-License-Identifier: MIT */
/* Tells vsay of sessions that were opened, and again of those that it has lost: its database was
 * restored, or a replica that lacked them took over. For the sender's thread. */
#ifndef AGENT_OPENINGS_H
#define AGENT_OPENINGS_H

#include <stdbool.h>

#include "agent/agent.h"
#include "agent/http.h"

struct openings {
    struct agent *agent;
    struct http *http;
    bool ending; /* see openings_news */
};

/* Takes ownership of `opening`. */
enum http_outcome openings_send(struct openings *openings, struct json_object *opening,
                                struct error *e);

/* Opens again what a heartbeat's answer names as unknown, as far as it goes: the next heartbeat
 * names the rest. */
void openings_repeat_all(struct openings *openings, struct json_object *unknown);

/* Opens again, once each, the sessions that a batch of commands has met and vsay does not know:
 * `errors` are those of the answer. HTTP_MISSING: there were none that are held. */
enum http_outcome openings_repair(struct openings *openings, struct json_object *errors,
                                  const struct record *records, size_t count);

/* Whether a session that was opened must end, and its machine has not been told yet: the next
 * heartbeat tells it of all of these. Asking forgets it. */
bool openings_news(struct openings *openings);

#endif
