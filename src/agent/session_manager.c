/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/session_manager.h"

#include <json.h>
#include <signal.h>
#include <stdlib.h>

#include "agent/handoff.h"
#include "agent/report.h"
#include "agent/report_handler.h"
#include "base/clock.h"
#include "base/log.h"
#include "common/protocol.h"
#include "machine/ipc.h"

enum {
    KILL_GRACE = 3000, /* ms on top of shell.kill_after for vsay-shell to end a session */
    HANDOVER = 4000,   /* ms for vsay-shell to report its last commands once all else is dead */
    KILL_TRIES = 50    /* after these, try once a second and stop logging */
};

/* Sends the session's vsay-shell a message that it does not reply to. `reason` may be NULL. */
static bool send_message(const struct session *session, const char *type, const char *reason)
{
    struct json_object *message = json_object_new_object();

    protocol_put(message, "type", type);
    if (reason)
        protocol_put(message, "reason", reason);
    bool sent = ipc_send(session->client->fd, message) == ERR_OK;
    json_object_put(message);
    return sent;
}

void session_manager_send_terminate(struct agent *agent, struct session *session)
{
    const char *reason = session ? session_reason(agent->sessions, session) : NULL;

    if (reason && session->client && !session->terminate_sent)
        session->terminate_sent = send_message(session, "terminate", reason);
}

/* --- ending ---------------------------------------------------------------------------------- */

static void visit_end(struct json_object *end, void *user)
{
    struct agent *agent = user;
    const char *id = ipc_text(end, "session_id");
    struct session *session = id ? session_find(agent->sessions, id) : NULL;

    if (session)
        session->state = SESSION_ENDED;
}

void session_manager_begin(struct agent *agent)
{
    spool_each_end(agent->spool, visit_end, agent);
}

/* Gives vsay-shell, when nothing is left below it, HANDOVER ms to report the commands that it still
 * holds and its end. SIGCONT wakes it if it was stopped; after the deadline it is killed. Returns
 * true when everything has been reported. */
static bool hand_over(struct session *session)
{
    int64_t now = clock_ms();
    bool done = report_handler_all_gone(session) && session->seen <= session->stored;

    if (!session->handover_deadline)
        session->handover_deadline = now + HANDOVER;
    bool late = now >= session->handover_deadline;
    if (session->end && (done || late))
        return true;
    process_signal(&session->tree.shell, late ? SIGKILL : SIGCONT);
    return false;
}

/* Kills what is left of the session, vsay-shell last: while it lives, orphans are reparented to it
 * and can be found. Returns true when no process is left to see and no report will follow. */
static bool kill_all(struct session *session)
{
    size_t left = proctree_signal(&session->tree, SIGKILL);

    if (!left)
        return !process_alive(&session->tree.shell) || hand_over(session);
    if (++session->kill_tries == KILL_TRIES)
        log_event(LEVEL_ERROR, "session_stuck", "session=%s detail=\"cannot be killed\"",
                  session->id);
    return false;
}

/* Counts the commands that were lost with vsay-shell: it had reported them, but the disk was full
 * and they never became durable. */
static void count_lost(struct agent *agent, struct session *session)
{
    if (session->client || session->seen <= session->stored || process_alive(&session->tree.shell))
        return;
    spool_count_lost(agent->spool, (uint64_t)(session->seen - session->stored));
    log_event(LEVEL_WARNING, "commands_lost", "session=%s count=%lld", session->id,
              (long long)(session->seen - session->stored));
    session->stored = session->seen;
}

/* Stores an end of the agent's own once everything is dead. It says `lost` instead of `killed` if
 * the agent did not begin to kill before vsay-shell died and cannot know that all is gone. If the
 * disk is full, tries again at each tick: the end confirms a kill, so it must not be lost. */
static void finish_kill(struct agent *agent, struct session *session)
{
    struct error e = {0};

    if (!kill_all(session))
        return;
    bool killed = session_reason(agent->sessions, session) &&
                  (session->killing || report_handler_all_gone(session));
    count_lost(agent, session);
    if (report_handler_store_end(
            agent, session, report_own_end(session->id, session->uid, killed ? "killed" : "lost"),
            &e)) {
        if (session->kill_tries < KILL_TRIES)
            log_event(LEVEL_ERROR, "spool", "detail=\"%s\"", e.detail);
        session->kill_tries = KILL_TRIES;
        return;
    }
    if (session->client)
        send_message(session, "ended", NULL);
}

/* Handles a session whose vsay-shell has died. It may have left its end in a handoff file, or
 * reported it while the disk was full. Looks for the file first: it says how the session ended,
 * and the agent would have to guess. A file that cannot be read now is tried again for a while. */
static void handle_orphan(struct agent *agent, struct session *session)
{
    struct error e = {0};
    bool taken = handoff_collect(agent->handoff, session->id, session->handoff_key);

    if (session->state != SESSION_RUNNING || (!taken && ++session->kill_tries < KILL_TRIES))
        return;
    session->kill_tries = 0;
    count_lost(agent, session);
    if (!session->end)
        session->state = SESSION_DYING;
    else
        report_handler_accept_end(agent, session, &e); /* on failure, the next tick tries again */
}

/* Looks after a session that is still running as far as the agent knows. */
static void check_running(struct agent *agent, struct session *session)
{
    const char *reason = session_reason(agent->sessions, session);

    if (reason && !session->deadline)
        session->deadline = clock_ms() + agent->options->shell.kill_after * 1000 + KILL_GRACE;
    session_manager_send_terminate(agent, session);
    if (!session->client && !process_alive(&session->tree.shell)) {
        handle_orphan(agent, session);
    } else if (reason && clock_ms() >= session->deadline) {
        log_event(LEVEL_WARNING, "session_kill", "session=%s detail=\"vsay-shell did not end it\"",
                  session->id);
        session->state = SESSION_DYING;
        session->killing = true;
    }
}

/* vsay has the end, so nobody will ask for the session again. */
static void forget(struct agent *agent, struct session *session)
{
    if (session->client)
        client_detach(session->client);
    session_remove(agent->sessions, session);
}

bool session_manager_tick(struct agent *agent)
{
    bool soon = false;
    struct session *session;

    for (size_t i = 0; (session = session_at(agent->sessions, i));) {
        if (session->state == SESSION_RUNNING)
            check_running(agent, session);
        if (session->state == SESSION_DYING)
            finish_kill(agent, session);
        soon = soon || (session->state == SESSION_DYING && session->kill_tries < KILL_TRIES);
        if (session->state == SESSION_ENDED && session_confirmed(agent->sessions, session))
            forget(agent, session);
        else
            i++;
    }
    return soon;
}
