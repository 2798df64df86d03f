/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/session_manager.h"

#include <json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/handoff.h"
#include "machine/ipc.h"
#include "base/clock.h"
#include "agent/report.h"
#include "base/log.h"
#include "base/xalloc.h"

enum {
    KILL_GRACE = 3000, /* ms beyond shell.kill_after that vsay-shell has to end a session */
    HANDOVER = 4000,   /* ms for vsay-shell to report what it holds, when all else is killed */
    KILL_TRIES = 50    /* after which it is tried less often, and no more logged */
};

static struct json_object *new_reply(const char *type)
{
    struct json_object *reply = json_object_new_object();

    json_object_object_add(reply, "type", json_object_new_string(type));
    return reply;
}

static struct json_object *refuse(const struct origin *origin, const char *id, const char *why)
{
    struct json_object *reply = new_reply("refused");

    log_event(LEVEL_WARNING, "session_refused", "session=\"%s\" uid=%lu detail=\"%s\"",
              id ? id : "", (unsigned long)origin->uid, why);
    json_object_object_add(reply, "reason", json_object_new_string(why));
    return reply;
}

/* --- storing --------------------------------------------------------------------------------- */

enum err session_manager_sync(struct agent *agent, struct error *e)
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

void session_manager_stored(struct session *session, int64_t seq)
{
    if (session && seq > session->stored)
        session->stored = seq;
}

/* Whether nothing of the session is left, for certain: it was seen, here or by vsay-shell. */
static bool all_gone(struct session *session)
{
    session->all_gone = session->all_gone || proctree_gone(&session->tree);
    return session->all_gone;
}

/* An end confirms a kill, perhaps one that is still on its way here, unless it says that it does
 * not. Takes ownership of `end`. */
static enum err store_end(struct agent *agent, struct session *session, struct json_object *end,
                          struct error *e)
{
    char *reason = xstrdup(ipc_text(end, "reason"));
    bool sure = all_gone(session);

    if (!sure)
        json_object_object_add(end, "confirmed", json_object_new_boolean(false));
    enum err err = store(agent, RECORD_END, end, e);
    if (!err)
        err = session_manager_sync(agent, e);
    if (!err) {
        session->state = SESSION_ENDED;
        log_event(LEVEL_INFO, "session_end", "session=%s reason=\"%s\"%s", session->id, reason,
                  sure ? "" : " detail=\"something of it may be left that cannot be seen\"");
    }
    free(reason);
    return err;
}

/* --- reports --------------------------------------------------------------------------------- */

static bool same_process(const struct process *a, const struct process *b)
{
    return a->pid == b->pid && a->start == b->start;
}

/* Whether it was seen below vsay-shell as that connected: it may have died since. */
static bool was_child(const struct peer *shell, const struct process *process)
{
    bool found = false;

    for (size_t i = 0; i < shell->child_count && !found; i++)
        found = same_process(&shell->children[i], process);
    return found;
}

/* Whether it is below vsay-shell; and both still have to be what they were before that was looked
 * at, or a number was a stranger's meanwhile. */
static bool is_below(const struct process *shell, const struct process *process)
{
    return process_descends(process->pid, shell->pid) && process_seen(process) &&
           process_seen(shell);
}

/* vsay-shell, and its child, the user's shell. A process that it only claims would be killed with
 * the session: so it has to descend from it. */
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

/* Why this origin may not report this session; NULL if it may. */
static const char *objection(const struct origin *origin, const struct session *session)
{
    const struct client *client = origin->client;

    if (origin->session && origin->session != session)
        return "one connection is for one session";
    if (session && session->uid != origin->uid)
        return "the session is another user's";
    if (session && client && !same_process(&session->tree.shell, &client->peer.process))
        return "the session is another process's";
    return NULL;
}

static void bind_client(struct session *session, struct client *client)
{
    if (session->client)
        session->client->session = NULL;
    session->client = client;
    session->terminate_sent = false;
    session->tree.leader_seen = session->tree.leader_seen || process_seen(&session->tree.leader);
    client->session = session;
}

static enum err add_session(struct agent *agent, const struct origin *origin, const char *id,
                            const struct json_object *packet, struct json_object *opening,
                            struct session **out, struct error *e)
{
    const char *key = ipc_text(packet, "drop_key");
    struct session new = {.uid = origin->uid,
                          .seq = sequence_next(agent->sequence),
                          .tree = find_tree(origin, packet)};

    snprintf(new.id, sizeof new.id, "%s", id);
    if (key && strspn(key, "0123456789abcdef") == strlen(key))
        snprintf(new.handoff_key, sizeof new.handoff_key, "%s", key);
    return session_add(agent->sessions, &new, json_object_to_json_string(opening), out, e);
}

/* The opening is stored after the file of the session, and again with the first open after a
 * restart: so there is none that vsay has not heard of. And once more when it is no longer
 * recorded. Takes ownership of `opening`. */
static enum err store_opening(struct agent *agent, struct session *session,
                              struct json_object *opening, struct error *e)
{
    bool unrecorded = ipc_text(opening, "not_recorded") != NULL;

    session_keep_opening(agent->sessions, session, json_object_to_json_string(opening));
    /* larger than that of any heartbeat which lacks it */
    json_object_object_add(opening, "seq", json_object_new_int64(sequence_next(agent->sequence)));
    log_event(LEVEL_INFO, "session_open", "session=%s uid=%lu pid=%ld", session->id,
              (unsigned long)session->uid, (long)session->tree.shell.pid);
    enum err err = store(agent, RECORD_OPEN, opening, e);
    if (!err)
        err = session_manager_sync(agent, e);
    session->opened = !err;
    session->unrecorded = !err && unrecorded;
    return err;
}

/* Whether vsay has to hear of this opening. */
static bool must_store_opening(const struct session *session, const struct json_object *opening)
{
    if (session->state == SESSION_ENDED)
        return false;
    return !session->opened || (!session->unrecorded && ipc_text(opening, "not_recorded"));
}

/* What is dear, a number and a file, comes last: who opens what he may not costs little. */
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
    return rates_take(&agent->rates, origin->uid, clock_ms())
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
    json_object_object_add(*reply, "activity", json_object_new_boolean(true)); /* is welcome */
    return ERR_OK;
}

/* Commands that vsay-shell had to give up before the command `seq`. */
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

/* A malformed one is acknowledged too, or it would come again. */
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

/* Believes what vsay-shell has said of the session's end. If it was to end, that is a confirmation:
 * not while anything of it lives. */
static enum err accept_end(struct agent *agent, struct session *session, struct error *e)
{
    bool must = session_reason(agent->sessions, session) || report_end_of_all(session->end);

    if (must && proctree_signal(&session->tree, 0) > 0) {
        session->state = SESSION_DYING;
        session->killing = true;
        session->all_gone = false; /* whatever was said */
        return ERR_OK;
    }
    return store_end(agent, session, json_object_get(session->end), e);
}

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
        err = accept_end(agent, session, e);
    if (!err && session->state == SESSION_ENDED)
        *reply = new_reply("ended");
    return err;
}

/* Nothing of it is stored: vsay-shell says it again after a restart. */
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

enum err session_manager_receive(struct agent *agent, struct origin *origin,
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

void session_manager_send_terminate(struct agent *agent, struct session *session)
{
    const char *reason = session ? session_reason(agent->sessions, session) : NULL;

    if (!reason || !session->client || session->terminate_sent)
        return;
    struct json_object *order = new_reply("terminate");
    json_object_object_add(order, "reason", json_object_new_string(reason));
    session->terminate_sent = ipc_send(session->client->fd, order) == ERR_OK;
    json_object_put(order);
}

void session_manager_leave(struct client *client)
{
    if (client->session)
        client->session->client = NULL;
    client->session = NULL;
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

/* Nothing is left below vsay-shell, which may hold commands: it reports them, with its end, and one
 * that was stopped goes on for that. One that does not is killed. Whether it has reported. */
static bool hand_over(struct session *session)
{
    int64_t now = clock_ms();
    bool done = all_gone(session) && session->seen <= session->stored;

    if (!session->handover_deadline)
        session->handover_deadline = now + HANDOVER;
    bool late = now >= session->handover_deadline;
    if (session->end && (done || late))
        return true;
    process_signal(&session->tree.shell, late ? SIGKILL : SIGCONT);
    return false;
}

/* Kills what is left, vsay-shell last: while it lives it collects orphans. True: all is gone that
 * can be seen, and nothing more will be reported. */
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

/* vsay-shell is gone, and with it what it had reported in vain. */
static void count_lost(struct agent *agent, struct session *session)
{
    if (session->client || session->seen <= session->stored || process_alive(&session->tree.shell))
        return;
    spool_count_lost(agent->spool, (uint64_t)(session->seen - session->stored));
    log_event(LEVEL_WARNING, "commands_lost", "session=%s count=%lld", session->id,
              (long long)(session->seen - session->stored));
    session->stored = session->seen;
}

static void finish_kill(struct agent *agent, struct session *session)
{
    struct error e = {0};

    if (!kill_all(session))
        return;
    bool killed =
        session_reason(agent->sessions, session) && (session->killing || all_gone(session));
    count_lost(agent, session);
    if (store_end(agent, session,
                  report_own_end(session->id, session->uid, killed ? "killed" : "lost"), &e)) {
        if (session->kill_tries < KILL_TRIES)
            log_event(LEVEL_ERROR, "spool", "detail=\"%s\"", e.detail);
        session->kill_tries = KILL_TRIES;
        return;
    }
    if (session->client) {
        struct json_object *ended = new_reply("ended");
        ipc_send(session->client->fd, ended);
        json_object_put(ended);
    }
}

/* vsay-shell is gone. It may have left its end in a file, or said it while the disk was full. */
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
        accept_end(agent, session, &e); /* or the next time */
}

/* What became of a session that runs as far as is known. */
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

static void forget(struct agent *agent, struct session *session)
{
    if (session->client)
        session_manager_leave(session->client);
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
