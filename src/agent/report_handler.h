/* SPDX-License-Identifier: MIT */
/* Handles what vsay-shells report: sessions that open, commands, activity and ends. For the main
 * thread. report.h checks the form of a report; this module checks that its sender may make it, and
 * stores it in the spool.
 *
 * A report is acknowledged only after a sync, so that it survives a crash of the agent or of the
 * machine: vsay-shell keeps everything that was not acknowledged and sends it again. The commands
 * of one turn of the event loop share one sync: they are many, and a sync is slow. Openings and
 * ends are few, and each is synced by itself, since the session's state changes only if that
 * worked. The same code handles the files that vsay-shells leave while the agent is away
 * (handoff.h). */
#ifndef AGENT_REPORT_HANDLER_H
#define AGENT_REPORT_HANDLER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent.h"
#include "agent/client.h"

/* The sender of a report: a connection, or the owner of a file that a vsay-shell left. */
struct origin {
    uid_t uid;
    struct client *client;   /* NULL: a file */
    struct session *session; /* set by its open report; borrowed */
};

/* Handles one report. Sets *reply, to NULL if there is none. The caller releases it
 * (json_object_put), and may send it only after report_handler_sync. Errors:
 *   ERR_REQUEST  the origin must not report this; take nothing more from it
 *   ERR_BUSY     the same for now; it may try again later
 *   ERR_IO       it could not be stored; everything since the last report_handler_sync is lost */
enum err report_handler_receive(struct agent *agent, struct origin *origin,
                                const struct json_object *packet, struct json_object **reply,
                                struct error *e);

/* Makes durable what report_handler_receive has stored, and wakes the sender. */
enum err report_handler_sync(struct agent *agent, struct error *e);

/* Notes that the commands of `session` are durable up to `seq`. `session` may be NULL. */
void report_handler_mark_stored(struct session *session, int64_t seq);

/* Returns whether it is certain that no process of the session is left: vsay-shell said so, or this
 * process saw it. */
bool report_handler_all_gone(struct session *session);

/* Stores `end`, taking ownership of it, and syncs. The session's state becomes SESSION_ENDED. vsay
 * takes an end as the confirmation of a kill, so the end carries `"confirmed": false` unless all of
 * the session's processes are certainly gone. */
enum err report_handler_store_end(struct agent *agent, struct session *session,
                                  struct json_object *end, struct error *e);

/* Accepts the end that vsay-shell has reported, session->end. If the session was to be ended and
 * some of it still lives, the session becomes SESSION_DYING instead, so that the agent kills the
 * rest. */
enum err report_handler_accept_end(struct agent *agent, struct session *session, struct error *e);

#endif
