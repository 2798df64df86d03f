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

void keeper_stored(struct held *held, int64_t seq)
{
    if (held && seq > held->stored)
        held->stored = seq;
}

/* Whether nothing of the session is left, for certain: it was seen, here or by vsay-shell. */
static bool all_gone(struct held *held)
{
    held->gone = held->gone || proctree_gone(&held->tree);
    return held->gone;
}

/* An end confirms a kill, perhaps one that is still on its way here, unless it says that it does
 * not. Takes ownership of `end`. */
static enum err store_end(struct agent *agent, struct held *held, struct json_object *end,
                          struct error *e)
{
    char *reason = xstrdup(link_text(end, "reason"));
    bool sure = all_gone(held);

    if (!sure)
        json_object_object_add(end, "confirmed", json_object_new_boolean(false));
    enum err err = store(agent, RECORD_END, end, e);
    if (!err)
        err = keeper_sync(agent, e);
    if (!err) {
        held->state = HELD_ENDED;
        log_event(LEVEL_INFO, "session_end", "session=%s reason=\"%s\"%s", held->id, reason,
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
static const char *objection(const struct origin *origin, const struct held *held)
{
    const struct client *client = origin->client;

    if (origin->held && origin->held != held)
        return "one connection is for one session";
    if (held && held->uid != origin->uid)
        return "the session is another user's";
    if (held && client && !same_process(&held->tree.shell, &client->peer.process))
        return "the session is another process's";
    return NULL;
}

static void bind_client(struct held *held, struct client *client)
{
    if (held->client)
        held->client->held = NULL;
    held->client = client;
    held->told = false;
    held->tree.leader_seen = held->tree.leader_seen || process_seen(&held->tree.leader);
    client->held = held;
}

static enum err hold(struct agent *agent, const struct origin *origin, const char *id,
                     const struct json_object *packet, struct json_object *opening,
                     struct held **out, struct error *e)
{
    const char *key = link_text(packet, "drop_key");
    struct held new = {.uid = origin->uid,
                       .seq = sequence_next(agent->sequence),
                       .tree = find_tree(origin, packet)};

    snprintf(new.id, sizeof new.id, "%s", id);
    if (key && strspn(key, "0123456789abcdef") == strlen(key))
        snprintf(new.drop_key, sizeof new.drop_key, "%s", key);
    return held_add(agent->held, &new, json_object_to_json_string(opening), out, e);
}

/* The opening is stored after the file of the session, and again with the first open after a
 * restart: so there is none that vsay has not heard of. And once more when it is no longer recorded.
 * Takes ownership of `opening`. */
static enum err store_opening(struct agent *agent, struct held *held, struct json_object *opening,
                              struct error *e)
{
    bool unrecorded = link_text(opening, "not_recorded") != NULL;

    held_keep_opening(agent->held, held, json_object_to_json_string(opening));
    /* larger than that of any heartbeat which lacks it */
    json_object_object_add(opening, "seq", json_object_new_int64(sequence_next(agent->sequence)));
    log_event(LEVEL_INFO, "session_open", "session=%s uid=%lu pid=%ld", held->id,
              (unsigned long)held->uid, (long)held->tree.shell.pid);
    enum err err = store(agent, RECORD_OPEN, opening, e);
    if (!err)
        err = keeper_sync(agent, e);
    held->opened = !err;
    held->unrecorded = !err && unrecorded;
    return err;
}

/* Whether vsay has to hear of this opening. */
static bool is_news(const struct held *held, const struct json_object *opening)
{
    if (held->state == HELD_ENDED)
        return false;
    return !held->opened || (!held->unrecorded && link_text(opening, "not_recorded"));
}

/* What is dear, a number and a file, comes last: who opens what he may not costs little. */
static const char *why_not(struct agent *agent, const struct origin *origin, const char *id,
                           bool *later)
{
    bool valid = id && held_id_valid(id);
    const struct held *held = valid ? held_find(agent->held, id) : NULL;
    const char *why = valid ? objection(origin, held) : "malformed";

    *later = false;
    if (why || held)
        return why;
    *later = true;
    if (!held_room(agent->held, origin->uid))
        return "too many sessions run";
    return rates_take(&agent->rates, origin->uid, moment_monotonic())
               ? NULL
               : "too many sessions were opened in a short time";
}

static enum err take_open(struct agent *agent, struct origin *origin,
                          const struct json_object *packet, struct json_object **reply,
                          struct error *e)
{
    const char *id = link_text(packet, "session_id");
    struct json_object *opening = report_opening(packet, origin->uid);
    bool later = false;
    const char *why = opening ? why_not(agent, origin, id, &later) : "malformed";

    if (why) {
        json_object_put(opening);
        *reply = refuse(origin, id, why);
        return later ? ERR_BUSY : ERR_REQUEST;
    }
    struct held *held = held_find(agent->held, id);
    enum err err = held ? ERR_OK : hold(agent, origin, id, packet, opening, &held, e);
    if (!err) {
        origin->held = held;
        if (origin->client)
            bind_client(held, origin->client);
    }
    if (!err && is_news(held, opening))
        err = store_opening(agent, held, json_object_get(opening), e);
    json_object_put(opening);
    if (err)
        return err;
    *reply = new_reply("opened");
    json_object_object_add(*reply, "session_id", json_object_new_string(id));
    json_object_object_add(*reply, "activity", json_object_new_boolean(true)); /* is welcome */
    return ERR_OK;
}

/* Commands that vsay-shell had to give up before the command `seq`. */
static void count_given_up(struct agent *agent, const struct held *held,
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
    log_event(LEVEL_WARNING, "commands_lost", "session=%s count=%lld", held->id, (long long)count);
}

/* A malformed one is acknowledged too, or it would come again. */
static enum err take_command(struct agent *agent, struct origin *origin,
                             const struct json_object *packet, struct json_object **reply,
                             struct error *e)
{
    struct held *held = origin->held;
    int64_t seq;
    struct json_object *record = report_command(packet, held->id, origin->uid, &seq);

    if (record && seq > held->seen) {
        count_given_up(agent, held, packet, seq);
        held->seen = seq;
    }
    enum err err = record ? store(agent, RECORD_COMMAND, record, e) : ERR_REQUEST;

    if (!record)
        log_event(LEVEL_WARNING, "command_malformed", "session=%s seq=%lld", held->id,
                  (long long)seq);
    if (err == ERR_IO || !seq)
        return err;
    *reply = new_reply("ack");
    json_object_object_add(*reply, "seq", json_object_new_int64(seq));
    return err;
}

/* Believes what vsay-shell has said of the session's end. If it was to end, that is a confirmation:
 * not while anything of it lives. */
static enum err believe_end(struct agent *agent, struct held *held, struct error *e)
{
    bool must = held_reason(agent->held, held) || report_end_of_all(held->end);

    if (must && proctree_signal(&held->tree, 0) > 0) {
        held->state = HELD_DYING;
        held->killing = true;
        held->gone = false; /* whatever was said */
        return ERR_OK;
    }
    return store_end(agent, held, json_object_get(held->end), e);
}

static enum err take_end(struct agent *agent, struct origin *origin,
                         const struct json_object *packet, struct json_object **reply,
                         struct error *e)
{
    struct held *held = origin->held;
    enum err err = ERR_OK;

    if (held->state != HELD_ENDED) {
        json_object_put(held->end);
        held->end = report_end(packet, held->id, held->uid);
        held->gone = held->gone || report_all_gone(packet);
    }
    if (held->state == HELD_RUNNING)
        err = believe_end(agent, held, e);
    if (!err && held->state == HELD_ENDED)
        *reply = new_reply("ended");
    return err;
}

/* Nothing of it is stored: vsay-shell says it again after a restart. */
static enum err take_activity(struct agent *agent, struct origin *origin,
                              const struct json_object *packet, struct json_object **reply,
                              struct error *e)
{
    int64_t at = report_activity(packet);

    (void)reply;
    (void)e;
    if (at)
        held_active(agent->held, origin->held->id, at);
    return at ? ERR_OK : ERR_REQUEST;
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
        {"open", false, take_open},
        {"command", true, take_command},
        {"activity", true, take_activity},
        {"end", true, take_end}};
    const char *type = link_text(packet, "type");

    *reply = NULL;
    for (size_t i = 0; type && i < sizeof reports / sizeof *reports; i++) {
        if (strcmp(type, reports[i].type) == 0 && (origin->held || !reports[i].of_session))
            return reports[i].take(agent, origin, packet, reply, e);
    }
    log_event(LEVEL_WARNING, "report_unknown", "uid=%lu", (unsigned long)origin->uid);
    return ERR_REQUEST;
}

void keeper_tell(struct agent *agent, struct held *held)
{
    const char *reason = held ? held_reason(agent->held, held) : NULL;

    if (!reason || !held->client || held->told)
        return;
    struct json_object *order = new_reply("terminate");
    json_object_object_add(order, "reason", json_object_new_string(reason));
    held->told = link_send(held->client->fd, order) == ERR_OK;
    json_object_put(order);
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

/* Nothing is left below vsay-shell, which may hold commands: it reports them, with its end, and one
 * that was stopped goes on for that. One that does not is killed. Whether it has reported. */
static bool hand_over(struct held *held)
{
    int64_t now = moment_monotonic();
    bool done = all_gone(held) && held->seen <= held->stored;

    if (!held->handover)
        held->handover = now + HANDOVER;
    bool late = now >= held->handover;
    if (held->end && (done || late))
        return true;
    process_signal(&held->tree.shell, late ? SIGKILL : SIGCONT);
    return false;
}

/* Kills what is left, vsay-shell last: while it lives it collects orphans. True: all is gone that
 * can be seen, and nothing more will be reported. */
static bool kill_all(struct held *held)
{
    size_t left = proctree_signal(&held->tree, SIGKILL);

    if (!left)
        return !process_alive(&held->tree.shell) || hand_over(held);
    if (++held->tries == KILL_TRIES)
        log_event(LEVEL_ERROR, "session_stuck", "session=%s detail=\"cannot be killed\"", held->id);
    return false;
}

/* vsay-shell is gone, and with it what it had reported in vain. */
static void count_lost(struct agent *agent, struct held *held)
{
    if (held->client || held->seen <= held->stored || process_alive(&held->tree.shell))
        return;
    spool_count_lost(agent->spool, (uint64_t)(held->seen - held->stored));
    log_event(LEVEL_WARNING, "commands_lost", "session=%s count=%lld", held->id,
              (long long)(held->seen - held->stored));
    held->stored = held->seen;
}

static void die(struct agent *agent, struct held *held)
{
    struct error e = {0};

    if (!kill_all(held))
        return;
    bool killed = held_reason(agent->held, held) && (held->killing || all_gone(held));
    count_lost(agent, held);
    if (store_end(agent, held, report_own_end(held->id, held->uid, killed ? "killed" : "lost"),
                  &e)) {
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

/* vsay-shell is gone. It may have left its end in a file, or said it while the disk was full. */
static void bury(struct agent *agent, struct held *held)
{
    struct error e = {0};
    bool taken = drop_take(agent->drop, held->id, held->drop_key);

    if (held->state != HELD_RUNNING || (!taken && ++held->tries < KILL_TRIES))
        return;
    held->tries = 0;
    count_lost(agent, held);
    if (!held->end)
        held->state = HELD_DYING;
    else
        believe_end(agent, held, &e); /* or the next time */
}

/* What became of a session that runs as far as is known. */
static void watch(struct agent *agent, struct held *held)
{
    const char *reason = held_reason(agent->held, held);

    if (reason && !held->deadline)
        held->deadline = moment_monotonic() + agent->options->shell.kill_after * 1000 + KILL_GRACE;
    keeper_tell(agent, held);
    if (!held->client && !process_alive(&held->tree.shell)) {
        bury(agent, held);
    } else if (reason && moment_monotonic() >= held->deadline) {
        log_event(LEVEL_WARNING, "session_kill", "session=%s detail=\"vsay-shell did not end it\"",
                  held->id);
        held->state = HELD_DYING;
        held->killing = true;
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
