/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/agent_client.h"

#include <json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/ipc.h"
#include "common/protocol.h"
#include "base/clock.h"
#include "shell/report_queue.h"
#include "base/xalloc.h"

/* machine/ipc.h lists the packets. On each connection the open report comes first, since the agent
 * may be a new process that does not know the session. Then come all reports that are not
 * acknowledged, in order. So there is one way to send, and a reconnect needs nothing of its own. */

enum {
    RECONNECT_MS = 500,
    RETRY_MS = 60000, /* until a refused session is offered again */
    FINISH_MS = 3000,
    ACTIVE_MS = 5000 /* between two activity reports */
};

struct agent_client {
    const char *socket, *state_dir;
    struct json_object *open;
    struct report_queue queue;
    int fd; /* -1: not connected */
    int64_t connect_at;
    bool open_sent, blocked; /* on this connection */
    bool all_gone;           /* of the session's processes */
    bool ended;              /* the agent has an end, perhaps one of its own */
    bool wants_activity;     /* the agent on this connection does */
    int64_t active;          /* when the user typed something last; 0: never */
    int64_t active_sent;     /* and what of that the agent was told */
    int64_t active_due;      /* when it may be told again */
    struct agent_client_state state;
    char *refused, *terminate; /* behind `state` */
};

struct agent_client *agent_client_new(const char *socket, const char *state_dir,
                                      struct json_object *open)
{
    struct agent_client *client = xcalloc(1, sizeof *client);

    client->socket = socket;
    client->state_dir = state_dir;
    client->open = open;
    client->fd = -1;
    report_queue_init(&client->queue);
    return client;
}

/* After a refusal the connection stays closed for longer: the agent would refuse again. */
static void disconnect(struct agent_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->connect_at = clock_ms() + (client->state.refused ? RETRY_MS : RECONNECT_MS);
}

void agent_client_free(struct agent_client *client)
{
    if (!client)
        return;
    report_queue_clear(&client->queue);
    disconnect(client);
    json_object_put(client->open);
    free(client->refused);
    free(client->terminate);
    free(client);
}

const struct agent_client_state *agent_client_state(const struct agent_client *client)
{
    return &client->state;
}

/* --- reports ------------------------------------------------------------- */

/* Queues a report, taking ownership of `body`. The agent wants none of a session that it has
 * refused. */
static void add(struct agent_client *client, long seq, struct json_object *body)
{
    if (client->state.refused)
        json_object_put(body);
    else
        report_queue_add(&client->queue, seq, body);
}

/* The reason is a member of the open report, which is sent again with it. */
void agent_client_not_recorded(struct agent_client *client, const char *why)
{
    protocol_put(client->open, "not_recorded", why);
    client->open_sent = false;
}

void agent_client_command(struct agent_client *client, long seq, const char *command,
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
    add(client, seq, body);
}

void agent_client_count_lost(struct agent_client *client)
{
    client->queue.lost++;
}

void agent_client_active(struct agent_client *client)
{
    client->active = clock_realtime_ms();
}

void agent_client_all_gone(struct agent_client *client)
{
    client->all_gone = true;
}

void agent_client_end(struct agent_client *client, const char *reason, int exit_code)
{
    struct json_object *body = json_object_new_object();
    char now[CLOCK_TEXT_SIZE];

    clock_text(now);
    protocol_put(body, "type", "end");
    protocol_put(body, "reason", reason);
    json_object_object_add(body, "exit_code", json_object_new_int(exit_code));
    protocol_put(body, "ended_at", now);
    if (client->all_gone)
        json_object_object_add(body, "gone", json_object_new_boolean(true));
    if (client->ended)
        json_object_put(body);
    else
        add(client, REPORT_END, body);
}

/* --- messages from the agent --------------------------------------------- */

static void on_opened(struct agent_client *client, const struct json_object *packet)
{
    struct json_object *activity = NULL;

    json_object_object_get_ex(packet, "activity", &activity);
    client->wants_activity = json_object_get_boolean(activity);
    client->state.opened = true;
    client->state.refused = NULL;
}

/* The reports are dropped, because the agent wants none of a refused session. The open report is
 * kept and offered again: the limits that led to the refusal may no longer be reached. */
static void on_refused(struct agent_client *client, const struct json_object *packet)
{
    const char *reason = ipc_text(packet, "reason");

    free(client->refused);
    client->state.refused = client->refused = xstrdup(reason ? reason : "no reason given");
    client->state.opened = false;
    report_queue_clear(&client->queue);
}

static void on_ack(struct agent_client *client, const struct json_object *packet)
{
    struct json_object *seq;

    if (json_object_object_get_ex(packet, "seq", &seq))
        report_queue_acknowledge(&client->queue, (long)json_object_get_int64(seq));
}

/* The agent has stored an end: the one that we sent, or its own, if it has killed the session. */
static void on_ended(struct agent_client *client, const struct json_object *packet)
{
    (void)packet;
    client->ended = true;
    report_queue_acknowledge(&client->queue, REPORT_END);
}

/* Only the first reason counts; the session is already ending by it. */
static void on_terminate(struct agent_client *client, const struct json_object *packet)
{
    const char *reason = ipc_text(packet, "reason");

    if (!client->terminate)
        client->state.terminate = client->terminate = xstrdup(reason ? reason : "ended");
}

static const struct {
    const char *type;
    void (*take)(struct agent_client *client, const struct json_object *packet);
} packets[] = {
    {"opened", on_opened}, {"refused", on_refused},     {"ack", on_ack},
    {"ended", on_ended},   {"terminate", on_terminate},
};

/* A packet of a type that we do not know comes from a newer agent, and is ignored. */
static void take(struct agent_client *client, const struct json_object *packet)
{
    const char *type = ipc_text(packet, "type");

    for (size_t i = 0; type && i < sizeof packets / sizeof *packets; i++) {
        if (strcmp(packets[i].type, type) == 0)
            packets[i].take(client, packet);
    }
}

/* Reads all packets there are. ERR_REQUEST is one that is no JSON object; it is skipped. */
static void receive(struct agent_client *client)
{
    enum err err = ERR_OK;

    while (err == ERR_OK || err == ERR_REQUEST) {
        struct json_object *packet = NULL;
        err = ipc_receive(client->fd, &packet);
        if (packet)
            take(client, packet);
        json_object_put(packet);
    }
    if (err != ERR_BUSY || client->state.refused)
        disconnect(client);
}

/* --- the connection ------------------------------------------------------ */

/* Everything is told again: the last agent may have died before it stored what it was told. */
static void connect_again(struct agent_client *client)
{
    if (clock_ms() < client->connect_at)
        return;
    if (ipc_connect(client->socket, &client->fd, NULL)) {
        disconnect(client);
        return;
    }
    client->open_sent = client->wants_activity = false;
    client->active_sent = 0;
    report_queue_rewind(&client->queue);
}

/* Sends one packet, and sets *sent; returns whether the next one may be tried. A packet that is too
 * large counts as sent, or it would block the others for ever. On an error *sent may no longer
 * exist: the agent's last packets may have emptied the queue. */
static bool send_one(struct agent_client *client, struct json_object *body, bool *sent)
{
    enum err err = ipc_send(client->fd, body);

    client->blocked = err == ERR_BUSY;
    if (err == ERR_IO) { /* read what the agent sent before it closed */
        receive(client);
        disconnect(client);
        return false;
    }
    *sent = err == ERR_OK || err == ERR_TOO_LARGE;
    return *sent;
}

/* Returns whether activity is to be reported. Older agents do not ask for it, and would close the
 * connection. */
static bool has_activity(const struct agent_client *client)
{
    return client->wants_activity && client->active != client->active_sent;
}

static void send_activity(struct agent_client *client)
{
    struct json_object *body = json_object_new_object();
    bool sent = false;

    protocol_put(body, "type", "activity");
    json_object_object_add(body, "at", json_object_new_int64(client->active));
    send_one(client, body, &sent);
    json_object_put(body);
    if (sent) {
        client->active_sent = client->active;
        client->active_due = clock_ms() + ACTIVE_MS;
    }
}

/* Activity comes last: it may be late or missing, reports may not. */
static void send_unsent(struct agent_client *client)
{
    struct report *report;

    client->blocked = false;
    if (!client->open_sent && !send_one(client, client->open, &client->open_sent))
        return;
    TAILQ_FOREACH (report, &client->queue.reports, entry) {
        if (!report->sent && !send_one(client, report->body, &report->sent))
            return;
    }
    if (has_activity(client) && clock_ms() >= client->active_due)
        send_activity(client);
}

void agent_client_poll(const struct agent_client *client, struct pollfd *out)
{
    *out = (struct pollfd){client->fd, POLLIN, 0};
    if (client->blocked)
        out->events |= POLLOUT;
}

/* While connected, only activity has a time of its own; all else waits for the descriptor. */
int agent_client_timeout(const struct agent_client *client)
{
    if (client->fd >= 0 && !(has_activity(client) && !client->blocked))
        return -1;
    int64_t due = client->fd >= 0 ? client->active_due : client->connect_at;
    int64_t left = due - clock_ms();
    return left > 0 ? (int)left : 0;
}

void agent_client_step(struct agent_client *client, bool readable)
{
    if (client->fd < 0)
        connect_again(client);
    if (client->fd >= 0 && readable)
        receive(client);
    if (client->fd >= 0)
        send_unsent(client);
}

/* --- waiting ------------------------------------------------------------- */

static void wait_and_step(struct agent_client *client, int64_t deadline)
{
    int64_t left = deadline - clock_ms();
    int ms = agent_client_timeout(client);
    struct pollfd ready;

    if (ms < 0 || ms > left)
        ms = left > 0 ? (int)left : 0;
    agent_client_poll(client, &ready);
    agent_client_step(client, poll(&ready, 1, ms) == 1);
}

void agent_client_await_opening(struct agent_client *client, int ms)
{
    int64_t deadline = clock_ms() + ms;

    agent_client_step(client, false);
    while (!client->state.opened && !client->state.refused && clock_ms() < deadline)
        wait_and_step(client, deadline);
}

static enum err hand_off(const struct agent_client *client, struct error *e)
{
    return report_queue_hand_off(&client->queue, client->state_dir, client->open, e);
}

/* Returns whether there is nothing to wait for: the agent has acknowledged everything, or it wants
 * the session terminated and this end would leave some of it behind. */
static bool finished(const struct agent_client *client)
{
    return report_queue_empty(&client->queue) || (client->terminate && !client->all_gone);
}

/* Without a connection there is nothing to wait for, so the file is written at once: the user's
 * terminal must not stay open for three seconds because an agent is being upgraded. With one, the
 * file is the last resort, since the agent would get everything twice. */
enum err agent_client_finish(struct agent_client *client, struct error *e)
{
    int64_t deadline = clock_ms() + FINISH_MS;

    client->connect_at = 0;
    if (!finished(client))
        agent_client_step(client, false);
    if (!finished(client) && client->fd < 0 && hand_off(client, e) == ERR_OK)
        return ERR_OK;
    while (!finished(client) && clock_ms() < deadline)
        wait_and_step(client, deadline);
    if (!finished(client))
        return hand_off(client, e);
    if (report_queue_empty(&client->queue))
        return ERR_OK;
    report_queue_withdraw_end(&client->queue);
    return ERR_BUSY;
}
