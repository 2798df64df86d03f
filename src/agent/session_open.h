/* SPDX-License-Identifier: MIT */
/* Reports opened sessions to vsay, and reports them again when vsay has lost them: its database was
 * restored from a backup, or a replica without them took over. Part of the sender's thread.
 *
 * Before that it decides which user a session is attributed to. The kernel tells the uid of
 * vsay-shell's process. A different user may only be named by users that the administrator trusts,
 * such as a web terminal's: it runs all sessions under its own uid, and knows who is at each. */
#ifndef AGENT_SESSION_OPEN_H
#define AGENT_SESSION_OPEN_H

#include <stdbool.h>

#include "agent/agent.h"
#include "agent/http.h"

struct strlist;

struct session_opener {
    struct agent *agent;
    struct http *http;
    bool end_requested; /* see session_open_take_end_request */
};

/* Sets `user_id` and `username` of an open report. Names that the report brings along stay if its
 * `uid` is root, this process's own, or that of a user in `trusted`; otherwise the names of `uid`
 * replace them. Asks the name service, which may block for long: that is why the sender does this
 * when the report leaves the spool, and not the main thread, which kills sessions. */
void session_open_attribute(struct json_object *opening, const struct strlist *trusted);

/* Attributes the session to a user and reports it. Takes ownership of `opening`. */
enum http_outcome session_open_send(struct session_opener *opener, struct json_object *opening,
                                    struct error *e);

/* Opens the sessions again that a heartbeat's response lists as unknown. Stops when vsay becomes
 * unreachable; the response to the next heartbeat lists the rest. */
void session_open_repeat_all(struct session_opener *opener, struct json_object *unknown);

/* Opens the sessions again, each once, that vsay did not know when it received a batch of commands.
 * `errors` are those of its response. Returns HTTP_MISSING when none of them is held here, or vsay
 * refuses them all. */
enum http_outcome session_open_repair(struct session_opener *opener, struct json_object *errors,
                                      const struct record *records, size_t count);

/* Returns whether vsay answered an open report with a session that must end, and clears the flag.
 * The response carries no reason, so a heartbeat should follow at once: its response does. */
bool session_open_take_end_request(struct session_opener *opener);

#endif
