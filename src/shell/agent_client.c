/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/agent_client.h"

#include <json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "machine/ipc.h"
#include "machine/protocol.h"
#include "base/clock.h"
#include "shell/handoff.h"
#include "base/xalloc.h"

enum {
    RECONNECT_MS = 500,
    RETRY_MS = 60000,
    FINISH_MS = 3000,
    ACTIVE_MS = 5000, /* between two reports that the user is active */
    END_SEQ = 0,
    UNACKED_MAX = 3 * 1024 * 1024 /* bytes, as JSON: the agent takes files of up to 4 MiB */
};

struct message {
    TAILQ_ENTRY(message) entry;
    struct json_object *body;
    size_t size; /* as JSON */
    long seq;    /* END_SEQ: the end */
    long lost;   /* commands given up before this one, which says so */
    bool sent;
};

TAILQ_HEAD(messages, message);

struct journal {
    const char *socket, *state_dir;
    struct json_object *open;
    struct messages unacked; /* in order */
    size_t size;             /* of these */
    long acked;              /* the last command that the agent has */
    long lost;               /* commands that no message has counted yet */
    int fd;                  /* -1: not connected */
    int64_t connect_at;
    bool open_sent, blocked; /* on this connection */
    bool all_gone;           /* of the session's processes */
    bool ended;              /* the agent has an end, perhaps one of its own */
    bool wants_activity;     /* the agent on this connection does */
    int64_t active;          /* when the user typed something last; 0: never */
    int64_t active_told;     /* and what of that the agent was told */
    int64_t active_due;      /* when it may be told again */
    struct agent_client_state state;
    char *refused, *terminate; /* behind `state` */
};

struct journal *agent_client_new(const char *socket, const char *state_dir,
                                 struct json_object *open)
{
    struct journal *journal = xcalloc(1, sizeof *journal);

    journal->socket = socket;
    journal->state_dir = state_dir;
    journal->open = open;
    journal->fd = -1;
    TAILQ_INIT(&journal->unacked);
    return journal;
}

static void forget(struct journal *journal, struct message *message)
{
    TAILQ_REMOVE(&journal->unacked, message, entry);
    journal->size -= message->size;
    json_object_put(message->body);
    free(message);
}

static void forget_all(struct journal *journal)
{
    while (!TAILQ_EMPTY(&journal->unacked))
        forget(journal, TAILQ_FIRST(&journal->unacked));
}

static void disconnect(struct journal *journal)
{
    if (journal->fd >= 0)
        close(journal->fd);
    journal->fd = -1;
    journal->connect_at = clock_ms() + (journal->state.refused ? RETRY_MS : RECONNECT_MS);
}

void agent_client_free(struct journal *journal)
{
    if (!journal)
        return;
    forget_all(journal);
    disconnect(journal);
    json_object_put(journal->open);
    free(journal->refused);
    free(journal->terminate);
    free(journal);
}

const struct agent_client_state *agent_client_state(const struct journal *journal)
{
    return &journal->state;
}

/* --- what is to be said -------------------------------------------------- */

static struct message *find(struct journal *journal, long seq, bool sent)
{
    struct message *message;

    TAILQ_FOREACH (message, &journal->unacked, entry) {
        if (message->seq == seq && message->sent == sent)
            return message;
    }
    return NULL;
}

/* How many commands the agent will not have when it does not get this message. A command has two,
 * of its beginning and of its result. */
static long count_lost(struct journal *journal, const struct message *message)
{
    long seq = message->seq;
    const struct message *next = TAILQ_NEXT(message, entry);
    bool told = seq <= journal->acked || (next && next->seq == seq);

    return message->lost + !told;
}

/* The oldest commands go first when there is too much. Returns how many are lost. */
static long make_room(struct journal *journal)
{
    struct message *message = TAILQ_FIRST(&journal->unacked), *next;
    long lost = 0;

    for (; message && journal->size > UNACKED_MAX; message = next) {
        next = TAILQ_NEXT(message, entry);
        if (message->seq == END_SEQ)
            continue;
        lost += count_lost(journal, message);
        forget(journal, message);
    }
    return lost;
}

/* Room for `message`, the last one, which was a command's. */
static void bound(struct journal *journal, struct message *message)
{
    message->lost += make_room(journal) + journal->lost;
    journal->lost = 0;
    if (message->lost)
        json_object_object_add(message->body, "lost", json_object_new_int64(message->lost));
}

/* Takes `body` over; it replaces what has not been sent yet under the same number. */
static void add(struct journal *journal, long seq, struct json_object *body)
{
    struct message *message = find(journal, seq, false);

    if (journal->state.refused) {
        json_object_put(body);
        return;
    }
    if (message) {
        json_object_put(message->body);
    } else {
        message = xcalloc(1, sizeof *message);
        message->seq = seq;
        TAILQ_INSERT_TAIL(&journal->unacked, message, entry);
    }
    journal->size -= message->size;
    message->body = body;
    json_object_to_json_string_length(body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
                                      &message->size);
    journal->size += message->size;
    if (seq != END_SEQ)
        bound(journal, message);
}

/* It is said with the opening, which may be repeated. */
void agent_client_not_recorded(struct journal *journal, const char *why)
{
    protocol_put(journal->open, "not_recorded", why);
    journal->open_sent = false;
}

void agent_client_command(struct journal *journal, long seq, const char *command,
                          const char *timestamp, enum success success, int exit_code)
{
    struct json_object *body = json_object_new_object();

    protocol_put(body, "type", "command");
    json_object_object_add(body, "seq", json_object_new_int64(seq));
    protocol_put(body, "command", command);
    protocol_put(body, "timestamp", timestamp);
    json_object_object_add(
        body, "success",
        success == SUCCESS_UNKNOWN ? NULL : json_object_new_boolean(success == SUCCESS_YES));
    if (exit_code >= 0)
        json_object_object_add(body, "exit_code", json_object_new_int(exit_code));
    add(journal, seq, body);
}

void agent_client_lost(struct journal *journal)
{
    journal->lost++;
}

void agent_client_active(struct journal *journal)
{
    journal->active = clock_realtime_ms();
}

void agent_client_all_gone(struct journal *journal)
{
    journal->all_gone = true;
}

void agent_client_end(struct journal *journal, const char *reason, int exit_code)
{
    struct json_object *body = json_object_new_object();
    char now[CLOCK_TEXT_SIZE];

    clock_text(now);
    protocol_put(body, "type", "end");
    protocol_put(body, "reason", reason);
    json_object_object_add(body, "exit_code", json_object_new_int(exit_code));
    protocol_put(body, "ended_at", now);
    if (journal->all_gone)
        json_object_object_add(body, "gone", json_object_new_boolean(true));
    if (journal->ended)
        json_object_put(body);
    else
        add(journal, END_SEQ, body);
}

/* --- what the agent says ------------------------------------------------- */

static void on_opened(struct journal *journal, const struct json_object *packet)
{
    struct json_object *activity = NULL;

    json_object_object_get_ex(packet, "activity", &activity);
    journal->wants_activity = json_object_get_boolean(activity);
    journal->state.opened = true;
    journal->state.refused = NULL;
}

static void on_refused(struct journal *journal, const struct json_object *packet)
{
    const char *reason = ipc_text(packet, "reason");

    free(journal->refused);
    journal->state.refused = journal->refused = xstrdup(reason ? reason : "no reason given");
    journal->state.opened = false;
    forget_all(journal);
}

static void on_ack(struct journal *journal, const struct json_object *packet)
{
    struct json_object *seq;

    if (!json_object_object_get_ex(packet, "seq", &seq))
        return;
    long number = (long)json_object_get_int64(seq);
    struct message *message = find(journal, number, true);
    if (message) {
        journal->acked = number > journal->acked ? number : journal->acked;
        forget(journal, message);
    }
}

static void forget_end(struct journal *journal, bool sent)
{
    struct message *end = find(journal, END_SEQ, sent);

    if (end)
        forget(journal, end);
}

static void on_ended(struct journal *journal, const struct json_object *packet)
{
    (void)packet;
    journal->ended = true;
    forget_end(journal, true);
}

static void on_terminate(struct journal *journal, const struct json_object *packet)
{
    const char *reason = ipc_text(packet, "reason");

    if (!journal->terminate)
        journal->state.terminate = journal->terminate = xstrdup(reason ? reason : "ended");
}

static const struct {
    const char *type;
    void (*take)(struct journal *journal, const struct json_object *packet);
} packets[] = {
    {"opened", on_opened}, {"refused", on_refused},     {"ack", on_ack},
    {"ended", on_ended},   {"terminate", on_terminate},
};

static void take(struct journal *journal, const struct json_object *packet)
{
    const char *type = ipc_text(packet, "type");

    for (size_t i = 0; type && i < sizeof packets / sizeof *packets; i++) {
        if (strcmp(packets[i].type, type) == 0)
            packets[i].take(journal, packet);
    }
}

static void receive(struct journal *journal)
{
    enum err err = ERR_OK;

    while (err == ERR_OK || err == ERR_REQUEST) {
        struct json_object *packet = NULL;
        err = ipc_receive(journal->fd, &packet);
        if (packet)
            take(journal, packet);
        json_object_put(packet);
    }
    if (err != ERR_BUSY || journal->state.refused)
        disconnect(journal);
}

/* --- the connection ------------------------------------------------------ */

static void connect_again(struct journal *journal)
{
    struct message *message;

    if (clock_ms() < journal->connect_at)
        return;
    if (ipc_connect(journal->socket, &journal->fd, NULL)) {
        disconnect(journal);
        return;
    }
    journal->open_sent = journal->wants_activity = false;
    journal->active_told = 0;
    TAILQ_FOREACH (message, &journal->unacked, entry)
        message->sent = false;
}

/* Whether the next packet may be sent. One that is too large counts as sent. */
static bool send_one(struct journal *journal, struct json_object *body, bool *sent)
{
    enum err err = ipc_send(journal->fd, body);

    journal->blocked = err == ERR_BUSY;
    *sent = err == ERR_OK || err == ERR_TOO_LARGE;
    if (err == ERR_IO) { /* it may have said something before it went */
        receive(journal);
        disconnect(journal);
    }
    return *sent;
}

/* Agents of older versions take it for a mistake. */
static bool has_activity(const struct journal *journal)
{
    return journal->wants_activity && journal->active != journal->active_told;
}

static void send_activity(struct journal *journal)
{
    struct json_object *body = json_object_new_object();
    bool sent = false;

    protocol_put(body, "type", "activity");
    json_object_object_add(body, "at", json_object_new_int64(journal->active));
    send_one(journal, body, &sent);
    json_object_put(body);
    if (sent) {
        journal->active_told = journal->active;
        journal->active_due = clock_ms() + ACTIVE_MS;
    }
}

static void send_unsent(struct journal *journal)
{
    struct message *message;

    journal->blocked = false;
    if (!journal->open_sent && !send_one(journal, journal->open, &journal->open_sent))
        return;
    TAILQ_FOREACH (message, &journal->unacked, entry) {
        if (!message->sent && !send_one(journal, message->body, &message->sent))
            return;
    }
    if (has_activity(journal) && clock_ms() >= journal->active_due)
        send_activity(journal);
}

void agent_client_poll(const struct journal *journal, struct pollfd *out)
{
    *out = (struct pollfd){journal->fd, POLLIN, 0};
    if (journal->blocked)
        out->events |= POLLOUT;
}

int agent_client_timeout(const struct journal *journal)
{
    if (journal->fd >= 0 && !(has_activity(journal) && !journal->blocked))
        return -1;
    int64_t due = journal->fd >= 0 ? journal->active_due : journal->connect_at;
    int64_t left = due - clock_ms();
    return left > 0 ? (int)left : 0;
}

void agent_client_step(struct journal *journal, bool readable)
{
    if (journal->fd < 0)
        connect_again(journal);
    if (journal->fd >= 0 && readable)
        receive(journal);
    if (journal->fd >= 0)
        send_unsent(journal);
}

/* --- waiting ------------------------------------------------------------- */

static void wait_and_step(struct journal *journal, int64_t deadline)
{
    int64_t left = deadline - clock_ms();
    int ms = agent_client_timeout(journal);
    struct pollfd ready;

    if (ms < 0 || ms > left)
        ms = left > 0 ? (int)left : 0;
    agent_client_poll(journal, &ready);
    agent_client_step(journal, poll(&ready, 1, ms) == 1);
}

void agent_client_await_opening(struct journal *journal, int ms)
{
    int64_t deadline = clock_ms() + ms;

    agent_client_step(journal, false);
    while (!journal->state.opened && !journal->state.refused && clock_ms() < deadline)
        wait_and_step(journal, deadline);
}

static enum err handoff(const struct journal *journal, struct error *e)
{
    const struct message *message;
    size_t count = 1;

    TAILQ_FOREACH (message, &journal->unacked, entry)
        count++;
    struct json_object **objects = xcalloc(count, sizeof *objects);
    objects[0] = journal->open;
    count = 1;
    TAILQ_FOREACH (message, &journal->unacked, entry)
        objects[count++] = message->body;
    enum err err = handoff_write(journal->state_dir, ipc_text(journal->open, "session_id"),
                                 ipc_text(journal->open, "drop_key"), objects, count, e);
    free(objects);
    return err;
}

/* Whether there is nothing to wait for: the agent has everything, or wants more than an end that
 * leaves something of the session behind. */
static bool finished(const struct journal *journal)
{
    return TAILQ_EMPTY(&journal->unacked) || (journal->terminate && !journal->all_gone);
}

enum err agent_client_finish(struct journal *journal, struct error *e)
{
    int64_t deadline = clock_ms() + FINISH_MS;

    journal->connect_at = 0;
    if (!finished(journal))
        agent_client_step(journal, false);
    if (!finished(journal) && journal->fd < 0 && handoff(journal, e) == ERR_OK)
        return ERR_OK;
    while (!finished(journal) && clock_ms() < deadline)
        wait_and_step(journal, deadline);
    if (!finished(journal))
        return handoff(journal, e);
    if (TAILQ_EMPTY(&journal->unacked))
        return ERR_OK;
    forget_end(journal, true);
    forget_end(journal, false);
    return ERR_BUSY;
}
