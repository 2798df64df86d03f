/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/report_handler.h"

#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/report.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "machine/ipc.h"

static struct json_object *new_reply(const char *type)
{
    struct json_object *reply = json_object_new_object();

    json_object_object_add(reply, "type", json_object_new_string(type));
    return reply;
}

/* The user's session goes on all the same; only its record is missing. */
static struct json_object *refuse(const struct origin *origin, const char *id, const char *why)
{
    struct json_object *reply = new_reply("refused");

    log_event(LEVEL_WARNING, "session_refused", "session=\"%s\" uid=%lu detail=\"%s\"",
              id ? id : "", (unsigned long)origin->uid, why);
    json_object_object_add(reply, "reason", json_object_new_string(why));
    return reply;
}

/* --- storing --------------------------------------------------------------------------------- */

enum err report_handler_sync(struct agent *agent, struct error *e)
{
    enum err err = spool_sync(agent->spool, e);

    if (!err)
        event_flag_set(agent->sender, EVENT_WORK);
    return err;
}

/* Takes ownership of `record`. */
static enum err store(struct agent *agent, enum record_kind kind, struct json_object *record,
                      struct error *e)
{
    enum err err = spool_append(agent->spool, kind, record, e);

    json_object_put(record);
    return err;
}

void report_handler_mark_stored(struct session *session, int64_t seq)
{
    if (session && seq > session->stored)
        session->stored = seq;
}

/* Remembers what was seen. Once vsay-shell is dead, nobody can tell any more: a process with a
 * session id of its own whose parents are gone looks like any other. */
bool report_handler_all_gone(struct session *session)
{
    session->all_gone = session->all_gone || proctree_gone(&session->tree);
    return session->all_gone;
}

enum err report_handler_store_end(struct agent *agent, struct session *session,
                                  struct json_object *end, struct error *e)
{
    char *reason = xstrdup(ipc_text(end, "reason"));
    bool sure = report_handler_all_gone(session);

    if (!sure)
        json_object_object_add(end, "confirmed", json_object_new_boolean(false));
    enum err err = store(agent, RECORD_END, end, e);
    if (!err)
        err = report_handler_sync(agent, e);
    if (!err) {
        session->state = SESSION_ENDED;
        log_event(LEVEL_INFO, "session_end", "session=%s reason=\"%s\" confirmed=%s", session->id,
                  reason, sure ? "true" : "false");
    }
    free(reason);
    return err;
}

/* --- reports --------------------------------------------------------------------------------- */

static bool same_process(const struct process *a, const struct process *b)
{
    return a->pid == b->pid && a->start == b->start;
}

/* Returns whether the process was a child of vsay-shell when that connected. It may have died
 * since. */
static bool was_child(const struct peer *shell, const struct process *process)
{
    bool found = false;

    for (size_t i = 0; i < shell->child_count && !found; i++)
        found = same_process(&shell->children[i], process);
    return found;
}

/* Returns whether `process` descends from vsay-shell. Both are checked again afterwards: if one has
 * exited meanwhile, its pid may have belonged to a stranger while we looked. */
static bool is_below(const struct process *shell, const struct process *process)
{
    return process_descends(process->pid, shell->pid) && process_seen(process) &&
           process_seen(shell);
}

/* Names the session's processes: vsay-shell, as the kernel says, and its child, the user's shell,
 * as vsay-shell says. The agent will kill the latter's session as root, so a claim is not enough:
 * it must descend from vsay-shell. */
static struct proctree find_tree(const struct origin *origin, const struct json_object *packet)
{
    struct proctree tree = {.uid = origin->uid};
    struct json_object *leader = NULL;

    if (!origin->client)
        return tree;
    tree.shell = origin->client->peer.process;
    json_object_object_get_ex(packet, "leader", &leader);
    tree.leader_seen =
        process_find((pid_t)json_object_get_int(leader), &tree.leader) &&
        (is_below(&tree.shell, &tree.leader) || was_child(&origin->client->peer, &tree.leader));
    if (!tree.leader_seen)
        tree.leader = (struct process){0};
    return tree;
}

/* Returns why this origin must not report this session, or NULL. */
static const char *objection(const struct origin *origin, const struct session *session)
{
    const struct client *client = origin->client;

    if (origin->session && origin->session != session)
        return "a connection is for one session";
    if (session && session->uid != origin->uid)
        return "the session is another user's";
    if (session && client && !same_process(&session->tree.shell, &client->peer.process))
        return "the session is another process's";
    return NULL;
}

/* A vsay-shell that has reconnected takes the place of its old connection, which may not be closed
 * yet. It is told again that its session must end. */
static void bind_client(struct session *session, struct client *client)
{
    if (session->client)
        session->client->session = NULL;
    session->client = client;
    session->terminate_sent = false;
    session->tree.leader_seen = session->tree.leader_seen || process_seen(&session->tree.leader);
    client->session = session;
}

/* The file's seq gives the sessions their order after a restart. Numbers grow over restarts, and
 * times of day do not. */
static enum err add_session(struct agent *agent, const struct origin *origin, const char *id,
                            const struct json_object *packet, struct json_object *opening,
                            struct session **out, struct error *e)
{
    const char *key = ipc_text(packet, "drop_key");
    struct session new = {.uid = origin->uid,
                          .seq = identity_next_seq(agent->identity),
                          .tree = find_tree(origin, packet)};

    snprintf(new.id, sizeof new.id, "%s", id);
    /* the key becomes part of a file's name */
    if (key && strspn(key, "0123456789abcdef") == strlen(key))
        snprintf(new.handoff_key, sizeof new.handoff_key, "%s", key);
    return session_add(agent->sessions, &new, json_object_to_json_string(opening), out, e);
}

/* Spools the open report, taking ownership of it. The session's file is written first: after a
 * crash in between, vsay-shell reconnects and its first open report is spooled then, so vsay hears
 * of every session. It is spooled once more when the session stops being recorded. */
static enum err store_opening(struct agent *agent, struct session *session,
                              struct json_object *opening, struct error *e)
{
    bool unrecorded = ipc_text(opening, "not_recorded") != NULL;

    session_keep_opening(agent->sessions, session, json_object_to_json_string(opening));
    /* drawn after the session is listed, so it exceeds the seq of any heartbeat without it */
    json_object_object_add(opening, "seq",
                           json_object_new_int64(identity_next_seq(agent->identity)));
    log_event(LEVEL_INFO, "session_open", "session=%s uid=%lu pid=%ld", session->id,
              (unsigned long)session->uid, (long)session->tree.shell.pid);
    enum err err = store(agent, RECORD_OPEN, opening, e);
    if (!err)
        err = report_handler_sync(agent, e);
    session->opened = !err;
    session->unrecorded = !err && unrecorded;
    return err;
}

/* Returns whether this open report tells vsay something new. */
static bool must_store_opening(const struct session *session, const struct json_object *opening)
{
    if (session->state == SESSION_ENDED)
        return false;
    return !session->opened || (!session->unrecorded && ipc_text(opening, "not_recorded"));
}

/* Returns why the session must not be opened, or NULL; *later is set when it may be tried again. A
 * session that is known may always come back, after a restart of the agent all at once.
 * Cheap checks first: a refused open must not cost a sequence number and a file. */
static const char *why_refused(struct agent *agent, const struct origin *origin, const char *id,
                               bool *later)
{
    bool valid = id && session_id_valid(id);
    const struct session *session = valid ? session_find(agent->sessions, id) : NULL;
    const char *why = valid ? objection(origin, session) : "malformed";

    *later = false;
    if (why || session)
        return why;
    *later = true;
    if (!session_room(agent->sessions, origin->uid))
        return "too many sessions run";
    return quota_take(&agent->rates, origin->uid, clock_ms())
               ? NULL
               : "too many sessions were opened in a short time";
}

static enum err handle_open(struct agent *agent, struct origin *origin,
                            const struct json_object *packet, struct json_object **reply,
                            struct error *e)
{
    const char *id = ipc_text(packet, "session_id");
    struct json_object *opening = report_opening(packet, origin->uid);
    bool later = false;
    const char *why = opening ? why_refused(agent, origin, id, &later) : "malformed";

    if (why) {
        json_object_put(opening);
        *reply = refuse(origin, id, why);
        return later ? ERR_BUSY : ERR_REQUEST;
    }
    struct session *session = session_find(agent->sessions, id);
    enum err err = session ? ERR_OK : add_session(agent, origin, id, packet, opening, &session, e);
    if (!err) {
        origin->session = session;
        if (origin->client)
            bind_client(session, origin->client);
    }
    if (!err && must_store_opening(session, opening))
        err = store_opening(agent, session, json_object_get(opening), e);
    json_object_put(opening);
    if (err)
        return err;
    *reply = new_reply("opened");
    json_object_object_add(*reply, "session_id", json_object_new_string(id));
    json_object_object_add(*reply, "activity", json_object_new_boolean(true)); /* send it */
    return ERR_OK;
}

/* Counts the commands that vsay-shell had to drop before the command `seq`. */
static void count_given_up(struct agent *agent, const struct session *session,
                           const struct json_object *packet, int64_t seq)
{
    struct json_object *lost;

    if (!json_object_object_get_ex(packet, "lost", &lost) ||
        !json_object_is_type(lost, json_type_int))
        return;
    int64_t count = json_object_get_int64(lost);
    if (count < 1 || count >= seq)
        return;
    spool_count_lost(agent->spool, (uint64_t)count);
    log_event(LEVEL_WARNING, "commands_lost", "session=%s count=%lld", session->id,
              (long long)count);
}

/* A repeated command is stored again, since the repetition may say how it ended; vsay recognises it
 * by session and seq. A malformed one is acknowledged too, or vsay-shell would send it for ever. */
static enum err handle_command(struct agent *agent, struct origin *origin,
                               const struct json_object *packet, struct json_object **reply,
                               struct error *e)
{
    struct session *session = origin->session;
    int64_t seq;
    struct json_object *record = report_command(packet, session->id, origin->uid, &seq);

    if (record && seq > session->seen) {
        count_given_up(agent, session, packet, seq);
        session->seen = seq;
    }
    enum err err = record ? store(agent, RECORD_COMMAND, record, e) : ERR_REQUEST;

    if (!record)
        log_event(LEVEL_WARNING, "command_malformed", "session=%s seq=%lld", session->id,
                  (long long)seq);
    if (err == ERR_IO || !seq)
        return err;
    *reply = new_reply("ack");
    json_object_object_add(*reply, "seq", json_object_new_int64(seq));
    return err;
}

enum err report_handler_accept_end(struct agent *agent, struct session *session, struct error *e)
{
    bool must = session_reason(agent->sessions, session) || report_end_of_all(session->end);

    if (must && proctree_signal(&session->tree, 0) > 0) {
        session->state = SESSION_DYING;
        session->killing = true;
        session->all_gone = false; /* vsay-shell was wrong */
        return ERR_OK;
    }
    return report_handler_store_end(agent, session, json_object_get(session->end), e);
}

/* Keeps the end until the session has really ended: while the agent kills what is left, vsay-shell
 * gets no reply, and so stays and reports again. */
static enum err handle_end(struct agent *agent, struct origin *origin,
                           const struct json_object *packet, struct json_object **reply,
                           struct error *e)
{
    struct session *session = origin->session;
    enum err err = ERR_OK;

    if (session->state != SESSION_ENDED) {
        json_object_put(session->end);
        session->end = report_end(packet, session->id, session->uid);
        session->all_gone = session->all_gone || report_all_gone(packet);
    }
    if (session->state == SESSION_RUNNING)
        err = report_handler_accept_end(agent, session, e);
    if (!err && session->state == SESSION_ENDED)
        *reply = new_reply("ended");
    return err;
}

/* Activity is kept in memory only; vsay-shell repeats it after the agent has restarted. */
static enum err handle_activity(struct agent *agent, struct origin *origin,
                                const struct json_object *packet, struct json_object **reply,
                                struct error *e)
{
    int64_t at = report_activity(packet);

    (void)reply;
    (void)e;
    if (at)
        session_active(agent->sessions, origin->session->id, at);
    return at ? ERR_OK : ERR_REQUEST;
}

enum err report_handler_receive(struct agent *agent, struct origin *origin,
                                const struct json_object *packet, struct json_object **reply,
                                struct error *e)
{
    static const struct {
        const char *type;
        bool of_session;
        enum err (*handle)(struct agent *, struct origin *, const struct json_object *,
                           struct json_object **, struct error *);
    } reports[] = {{"open", false, handle_open},
                   {"command", true, handle_command},
                   {"activity", true, handle_activity},
                   {"end", true, handle_end}};
    const char *type = ipc_text(packet, "type");

    *reply = NULL;
    for (size_t i = 0; type && i < sizeof reports / sizeof *reports; i++) {
        if (strcmp(type, reports[i].type) == 0 && (origin->session || !reports[i].of_session))
            return reports[i].handle(agent, origin, packet, reply, e);
    }
    log_event(LEVEL_WARNING, "report_unknown", "uid=%lu", (unsigned long)origin->uid);
    return ERR_REQUEST;
}
