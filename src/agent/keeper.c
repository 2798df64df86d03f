/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/keeper.h"

#include <json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/drop.h"
#include "agent/link.h"
#include "agent/moment.h"
#include "agent/report.h"
#include "base/log.h"
#include "base/xalloc.h"

enum {
    KILL_GRACE = 3000, /* ms beyond shell.kill_after that vsay-shell has to end a session */
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

enum err keeper_sync(struct agent *agent, struct error *e)
{
    enum err err = spool_sync(agent->spool, e);

    if (!err)
        bell_ring(agent->sender, BELL_WORK);
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

/* Takes ownership of `end`. */
static enum err store_end(struct agent *agent, struct held *held, struct json_object *end,
                          struct error *e)
{
    char *reason = xstrdup(link_text(end, "reason"));
    enum err err = store(agent, RECORD_END, end, e);

    if (!err)
        err = keeper_sync(agent, e);
    if (!err) {
        held->state = HELD_ENDED;
        log_event(LEVEL_INFO, "session_end", "session=%s reason=\"%s\"", held->id, reason);
    }
    free(reason);
    return err;
}

/* --- reports --------------------------------------------------------------------------------- */

/* vsay-shell, and its child, the user's shell. A process that it only claims would be killed with
 * the session: so it has to descend from it; and both still have to be what they were before that
 * was looked at, or a number was a stranger's meanwhile. */
static struct proctree find_tree(const struct origin *origin, const struct json_object *packet)
{
    struct proctree tree = {.uid = origin->uid};
    struct json_object *leader = NULL;

    if (!origin->client)
        return tree;
    tree.shell = origin->client->process;
    json_object_object_get_ex(packet, "leader", &leader);
    pid_t pid = (pid_t)json_object_get_int(leader);
    tree.leader_seen = process_find(pid, &tree.leader) && process_descends(pid, tree.shell.pid) &&
                       process_alive(&tree.leader) && process_alive(&tree.shell);
    if (!tree.leader_seen)
        tree.leader = (struct process){0};
    return tree;
}

static bool same_process(const struct process *a, const struct process *b)
{
    return a->pid == b->pid && a->start == b->start;
}

/* Why this origin may not report this session; NULL if it may. */
static const char *objection(const struct origin *origin, const struct held *held)
{
    const struct client *client = origin->client;

    if (origin->held && origin->held != held)
        return "one connection is for one session";
    if (held && held->uid != origin->uid)
        return "the session is another user's";
    if (held && client && !same_process(&held->tree.shell, &client->process))
        return "the session is another process's";
    return NULL;
}

static void bind_client(struct held *held, struct client *client)
{
    if (held->client)
        held->client->held = NULL;
    held->client = client;
    held->told = false;
    held->tree.leader_seen = held->tree.leader_seen || process_alive(&held->tree.leader);
    client->held = held;
}

static enum err hold(struct agent *agent, const struct origin *origin, const char *id,
                     const struct json_object *packet, struct held **out, struct error *e)
{
    struct held new = {.uid = origin->uid,
                       .seq = sequence_next(agent->sequence),
                       .tree = find_tree(origin, packet)};

    snprintf(new.id, sizeof new.id, "%s", id);
    return held_add(agent->held, &new, out, e);
}

/* The opening is stored after the file of the session, and again with the first open after a
 * restart: so there is none that vsay has not heard of. Takes ownership of `opening`. */
static enum err open_session(struct agent *agent, const struct origin *origin,
                             const struct json_object *packet, struct json_object *opening,
                             struct held **held, struct error *e)
{
    const char *id = link_text(packet, "session_id");
    enum err err = *held ? ERR_OK : hold(agent, origin, id, packet, held, e);

    if (err) {
        json_object_put(opening);
        return err;
    }
    /* larger than that of any heartbeat which lacks it */
    json_object_object_add(opening, "seq", json_object_new_int64(sequence_next(agent->sequence)));
    log_event(LEVEL_INFO, "session_open", "session=%s uid=%lu pid=%ld", id,
              (unsigned long)origin->uid, (long)(*held)->tree.shell.pid);
    err = store(agent, RECORD_OPEN, opening, e);
    if (!err)
        err = keeper_sync(agent, e);
    (*held)->opened = !err;
    return err;
}

/* What is dear, a number and a file, comes last: who opens what he may not costs little. */
static enum err take_open(struct agent *agent, struct origin *origin,
                          const struct json_object *packet, struct json_object **reply,
                          struct error *e)
{
    const char *id = link_text(packet, "session_id");
    struct held *held = id && held_id_valid(id) ? held_find(agent->held, id) : NULL;
    const char *why = id && held_id_valid(id) ? objection(origin, held) : "malformed";
    bool full = !held && !held_room(agent->held, origin->uid);
    struct json_object *opening = why || full ? NULL : report_opening(packet, origin->uid);
    enum err err = ERR_OK;

    if (!opening) {
        *reply = refuse(origin, id, why ? why : full ? "too many sessions run" : "malformed");
        return why || !full ? ERR_REQUEST : ERR_BUSY;
    }
    if (!held || (!held->opened && held->state == HELD_RUNNING))
        err = open_session(agent, origin, packet, opening, &held, e);
    else
        json_object_put(opening);
    if (err)
        return err;
    origin->held = held;
    if (origin->client)
        bind_client(held, origin->client);
    *reply = new_reply("opened");
    json_object_object_add(*reply, "session_id", json_object_new_string(id));
    return ERR_OK;
}

/* A malformed one is acknowledged too, or it would come again. */
static enum err take_command(struct agent *agent, struct origin *origin,
                             const struct json_object *packet, struct json_object **reply,
                             struct error *e)
{
    int64_t seq;
    struct json_object *record = report_command(packet, origin->held->id, origin->uid, &seq);
    enum err err = record ? store(agent, RECORD_COMMAND, record, e) : ERR_REQUEST;

    if (!record)
        log_event(LEVEL_WARNING, "command_malformed", "session=%s seq=%lld", origin->held->id,
                  (long long)seq);
    if (err == ERR_IO || !seq)
        return err;
    *reply = new_reply("ack");
    json_object_object_add(*reply, "seq", json_object_new_int64(seq));
    return err;
}

/* An end that was asked for is a confirmation: not while anything of the session lives. */
static enum err take_end(struct agent *agent, struct origin *origin,
                         const struct json_object *packet, struct json_object **reply,
                         struct error *e)
{
    struct held *held = origin->held;
    enum err err = ERR_OK;

    if (held->state == HELD_RUNNING && held_reason(agent->held, held) &&
        proctree_signal(&held->tree, 0) > 0)
        held->state = HELD_DYING;
    if (held->state == HELD_RUNNING)
        err = store_end(agent, held, report_end(packet, held->id, held->uid), e);
    if (!err && held->state == HELD_ENDED)
        *reply = new_reply("ended");
    return err;
}

enum err keeper_take(struct agent *agent, struct origin *origin, const struct json_object *packet,
                     struct json_object **reply, struct error *e)
{
    static const struct {
        const char *type;
        bool of_session;
        enum err (*take)(struct agent *, struct origin *, const struct json_object *,
                         struct json_object **, struct error *);
    } reports[] = {
        {"open", false, take_open}, {"command", true, take_command}, {"end", true, take_end}};
    const char *type = link_text(packet, "type");

    *reply = NULL;
    for (size_t i = 0; type && i < sizeof reports / sizeof *reports; i++) {
        if (strcmp(type, reports[i].type) == 0 && (origin->held || !reports[i].of_session))
            return reports[i].take(agent, origin, packet, reply, e);
    }
    log_event(LEVEL_WARNING, "report_unknown", "uid=%lu", (unsigned long)origin->uid);
    return ERR_REQUEST;
}

void keeper_leave(struct client *client)
{
    if (client->held)
        client->held->client = NULL;
    client->held = NULL;
}

/* --- ending ---------------------------------------------------------------------------------- */

static void visit_end(struct json_object *end, void *user)
{
    struct agent *agent = user;
    const char *id = link_text(end, "session_id");
    struct held *held = id ? held_find(agent->held, id) : NULL;

    if (held)
        held->state = HELD_ENDED;
}

void keeper_begin(struct agent *agent)
{
    spool_each_end(agent->spool, visit_end, agent);
}

/* Kills what is left, vsay-shell last: while it lives it collects orphans. True: all is gone. */
static bool kill_all(struct held *held)
{
    size_t left = proctree_signal(&held->tree, SIGKILL);

    if (!left && !process_alive(&held->tree.shell))
        return true;
    if (!left)
        process_signal(&held->tree.shell, SIGKILL);
    if (++held->tries == KILL_TRIES)
        log_event(LEVEL_ERROR, "session_stuck", "session=%s detail=\"cannot be killed\"", held->id);
    return false;
}

static void die(struct agent *agent, struct held *held)
{
    struct error e = {0};

    if (!kill_all(held))
        return;
    const char *reason = held_reason(agent->held, held) ? "killed" : "lost";
    if (store_end(agent, held, report_own_end(held->id, held->uid, reason), &e)) {
        if (held->tries < KILL_TRIES)
            log_event(LEVEL_ERROR, "spool", "detail=\"%s\"", e.detail);
        held->tries = KILL_TRIES;
        return;
    }
    if (held->client) {
        struct json_object *ended = new_reply("ended");
        link_send(held->client->fd, ended);
        json_object_put(ended);
    }
}

static void tell(struct held *held, const char *reason)
{
    struct json_object *order = new_reply("terminate");

    json_object_object_add(order, "reason", json_object_new_string(reason));
    held->told = link_send(held->client->fd, order) == ERR_OK;
    json_object_put(order);
}

/* What became of a session that runs as far as is known. */
static void watch(struct agent *agent, struct held *held)
{
    const char *reason = held_reason(agent->held, held);

    if (reason && !held->deadline)
        held->deadline = moment_monotonic() + agent->options->shell.kill_after * 1000 + KILL_GRACE;
    if (reason && held->client && !held->told)
        tell(held, reason);
    if (!held->client && !process_alive(&held->tree.shell)) {
        drop_take(agent->drop, held->id); /* it may have left its end there */
        if (held->state == HELD_RUNNING)
            held->state = HELD_DYING;
    } else if (reason && moment_monotonic() >= held->deadline) {
        log_event(LEVEL_WARNING, "session_kill", "session=%s detail=\"vsay-shell did not end it\"",
                  held->id);
        held->state = HELD_DYING;
    }
}

static void forget(struct agent *agent, struct held *held)
{
    if (held->client)
        keeper_leave(held->client);
    held_remove(agent->held, held);
}

bool keeper_tick(struct agent *agent)
{
    bool soon = false;
    struct held *held;

    for (size_t i = 0; (held = held_at(agent->held, i));) {
        if (held->state == HELD_RUNNING)
            watch(agent, held);
        if (held->state == HELD_DYING)
            die(agent, held);
        soon = soon || (held->state == HELD_DYING && held->tries < KILL_TRIES);
        if (held->state == HELD_ENDED && held_confirmed(agent->held, held))
            forget(agent, held);
        else
            i++;
    }
    return soon;
}
