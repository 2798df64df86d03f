/* SPDX-License-Identifier: MIT */
/* What becomes of the sessions: takes the reports of vsay-shells, passes on that a session must
 * end, and ends itself what vsay-shell does not, or left behind. For the main thread. */
#ifndef AGENT_SESSION_MANAGER_H
#define AGENT_SESSION_MANAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent.h"
#include "agent/client.h"

/* Who reports: a connection, or the owner of a file that a vsay-shell left. */
struct origin {
    uid_t uid;
    struct client *client;   /* NULL: a file */
    struct session *session; /* the session, after its open; borrowed */
};

/* Takes one report. *reply, which the caller puts, may be sent after session_manager_sync; NULL:
 * none. ERR_REQUEST: it was not to be said, and there should be no more of this origin; ERR_BUSY:
 * the same for now; ERR_IO: could not be stored, and nothing that was reported since
 * session_manager_sync is. */
enum err session_manager_receive(struct agent *agent, struct origin *origin,
                                 const struct json_object *packet, struct json_object **reply,
                                 struct error *e);

/* Makes durable what was taken. */
enum err session_manager_sync(struct agent *agent, struct error *e);

/* The session's (or NULL) commands are durable up to this one. */
void session_manager_stored(struct session *session, int64_t seq);

/* Tells vsay-shell that the session (or NULL) must end, if it must; over each connection once. */
void session_manager_send_terminate(struct agent *agent, struct session *session);

/* The connection is closed. */
void session_manager_leave(struct client *client);

/* At the start: which sessions have ended, as the spool knows. */
void session_manager_begin(struct agent *agent);

/* Does what is due. Returns whether it should be called again soon, and not within a second. */
bool session_manager_tick(struct agent *agent);

#endif
