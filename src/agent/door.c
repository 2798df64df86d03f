/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/door.h"

#include <errno.h>
#include <json.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/client.h"
#include "agent/drop.h"
#include "agent/keeper.h"
#include "agent/link.h"
#include "agent/moment.h"
#include "agent/peer.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/xalloc.h"

enum {
    CLIENTS_MAX = 2 * HELD_MAX,
    FILES = 64,           /* that this program opens beside connections */
    PACKETS_MAX = 100,    /* of one client before others have their turn */
    ACCEPTS_MAX = 100,    /* in a round */
    ROUND = 100,          /* ms of packets before all else has its turn */
    OPEN_TIMEOUT = 10000, /* ms for a connection to open its session */
    TICK = 1000,          /* ms */
    TICK_SOON = 100,
    DROP_TICK = 2000 /* ms between looks into the drop directory */
};

enum { POLL_SIGNALS, POLL_NEWS, POLL_LISTENER, POLL_CLIENTS };

TAILQ_HEAD(clients, client);

struct door {
    struct agent *agent;
    int listener, signals;
    struct clients clients; /* who was served last comes last */
    size_t count, max;
    bool deaf;   /* until the next tick: out of descriptors */
    bool broken; /* the spool; it was logged */
    int64_t drop_due;
    struct pollfd polled[POLL_CLIENTS + CLIENTS_MAX];
};

/* --- opening --------------------------------------------------------------------------------- */

static enum err listen_at(const char *path, int *fd, struct error *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    link_make_directory(path);
    if (link_connect(path, fd, NULL) == ERR_OK) {
        close(*fd);
        *fd = -1;
        return error_set(e, ERR_IO, "another program listens on %s", path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    *fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&address, sizeof address) || chmod(path, 0666) ||
        listen(*fd, SOMAXCONN))
        return error_set(e, ERR_IO, "cannot listen on %s: %s", path, strerror(errno));
    return ERR_OK;
}

/* Connections must not take the descriptors that looking at a session's processes needs. */
static size_t room_for_clients(void)
{
    size_t most = limits_descriptors();

    if (most >= CLIENTS_MAX + FILES)
        return CLIENTS_MAX;
    log_event(LEVEL_WARNING, "accept", "detail=\"%zu open files are few: %d are wanted\"", most,
              CLIENTS_MAX + FILES);
    return most > FILES ? most - FILES : 1;
}

enum err door_open(struct agent *agent, struct door **out, struct error *e)
{
    struct door *door = xcalloc(1, sizeof *door);
    sigset_t signals;

    door->agent = agent;
    door->max = room_for_clients();
    TAILQ_INIT(&door->clients);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    door->listener = -1;
    door->signals = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    enum err err = door->signals < 0 ? error_set(e, ERR_IO, "signalfd: %s", strerror(errno))
                                     : listen_at(agent->options->agent.socket, &door->listener, e);
    if (err)
        door_close(door);
    else
        *out = door;
    return err;
}

/* --- clients --------------------------------------------------------------------------------- */

static void remove_client(struct door *door, struct client *client)
{
    keeper_leave(client);
    TAILQ_REMOVE(&door->clients, client, next);
    door->count--;
    close(client->fd);
    json_object_put(client->replies);
    free(client);
}

void door_close(struct door *door)
{
    struct client *client;

    if (!door)
        return;
    while ((client = TAILQ_FIRST(&door->clients)))
        remove_client(door, client);
    if (door->listener >= 0)
        close(door->listener);
    if (door->signals >= 0)
        close(door->signals);
    free(door);
}

/* A user may take half of the places that the others leave; root may take all. */
static bool has_place(const struct door *door, uid_t uid)
{
    const struct client *client;
    size_t own = 0;

    TAILQ_FOREACH (client, &door->clients, next)
        own += client->peer.uid == uid;
    return door->count < door->max && (uid == 0 || own < door->max - door->count);
}

static void add_client(struct door *door, int fd)
{
    struct peer peer = {0};
    const char *why = NULL;

    if (!peer_find(fd, &peer))
        why = "its process is gone or cannot be seen";
    else if (!has_place(door, peer.uid))
        why = "too many connections";
    if (why) {
        log_event(LEVEL_WARNING, "connection_refused", "uid=%lu pid=%ld detail=\"%s\"",
                  (unsigned long)peer.uid, (long)peer.process.pid, why);
        close(fd);
        return;
    }
    struct client *client = xcalloc(1, sizeof *client);
    client->fd = fd;
    client->peer = peer;
    client->since = moment_monotonic();
    client->replies = json_object_new_array();
    TAILQ_INSERT_TAIL(&door->clients, client, next);
    door->count++;
}

static void accept_clients(struct door *door)
{
    int fd = 0;

    for (int i = 0; i < ACCEPTS_MAX && fd >= 0; i++) {
        fd = accept4(door->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            add_client(door, fd);
    }
    door->deaf = fd < 0 && (errno == EMFILE || errno == ENFILE);
    if (door->deaf)
        log_event(LEVEL_ERROR, "accept", "detail=\"%s\"", strerror(errno));
}

/* --- a round: packets, one sync, replies ----------------------------------------------------- */

static enum err take_packet(struct door *door, struct client *client,
                            const struct json_object *packet, struct error *e)
{
    struct origin origin = {.uid = client->peer.uid, .client = client, .held = client->held};
    struct json_object *reply = NULL;
    enum err err = keeper_take(door->agent, &origin, packet, &reply, e);

    if (reply)
        json_object_array_add(client->replies, reply);
    return err;
}

/* Until `end`, but one packet at least. What was not to be sent is the last that is taken. */
static enum err read_client(struct door *door, struct client *client, int64_t end, struct error *e)
{
    enum err err = ERR_OK;

    for (int i = 0; i < PACKETS_MAX && !client->done && (i == 0 || moment_monotonic() < end); i++) {
        struct json_object *packet;
        err = link_receive(client->fd, &packet);
        if (err == ERR_BUSY)
            return ERR_OK;
        if (err == ERR_OK)
            err = take_packet(door, client, packet, e);
        else if (err == ERR_IO)
            err = ERR_REQUEST; /* it has gone */
        json_object_put(packet);
        client->done = err;
    }
    return err == ERR_IO ? err : ERR_OK;
}

static void note_stored(struct client *client, const struct json_object *reply)
{
    struct json_object *seq = NULL;

    if (json_object_object_get_ex(reply, "seq", &seq))
        keeper_stored(client->held, json_object_get_int64(seq));
}

/* Replies are sent after the sync only. Without it their clients lose the connection: they come
 * again with what they have not got an answer for; but that it must end they are told all the same.
 */
static void answer_client(struct agent *agent, struct client *client, bool durable)
{
    size_t count = json_object_array_length(client->replies);

    for (size_t i = 0; i < count && durable; i++)
        note_stored(client, json_object_array_get_idx(client->replies, i));
    for (size_t i = 0; i < count && durable; i++)
        durable = link_send(client->fd, json_object_array_get_idx(client->replies, i)) == ERR_OK;
    keeper_tell(agent, client->held);
    client->done = client->done || (count && !durable);
    if (count) {
        json_object_put(client->replies);
        client->replies = json_object_new_array();
    }
}

static void note_spool(struct door *door, enum err err, const struct error *e)
{
    if (err && !door->broken)
        log_event(LEVEL_ERROR, "spool_down", "detail=\"%s\"", e->detail);
    if (!err && door->broken)
        log_event(LEVEL_INFO, "spool_up", "detail=\"it can be written again\"");
    door->broken = err;
}

/* Who comes first in a round comes last in the next: there may be no time for all. */
static enum err read_clients(struct door *door, size_t *reported, struct error *e)
{
    int64_t end = moment_monotonic() + ROUND;
    enum err err = ERR_OK;

    for (size_t left = door->count; left && moment_monotonic() < end; left--) {
        struct client *client = TAILQ_FIRST(&door->clients);
        TAILQ_REMOVE(&door->clients, client, next);
        TAILQ_INSERT_TAIL(&door->clients, client, next);
        if (!door->polled[client->slot].revents)
            continue;
        enum err failed = read_client(door, client, end, e);
        *reported += json_object_array_length(client->replies);
        err = err ? err : failed;
    }
    return err;
}

static void serve_clients(struct door *door)
{
    struct client *client, *next;
    struct error e = {0};
    size_t reported = 0;
    enum err err = read_clients(door, &reported, &e);

    if (reported && !err)
        err = keeper_sync(door->agent, &e);
    if (reported || err)
        note_spool(door, err, &e);
    for (client = TAILQ_FIRST(&door->clients); client; client = next) {
        next = TAILQ_NEXT(client, next);
        answer_client(door->agent, client, !err);
        if (client->done)
            remove_client(door, client);
    }
}

/* --- the loop -------------------------------------------------------------------------------- */

/* Returns false at the end. */
static bool hear_signals(struct door *door)
{
    struct signalfd_siginfo signal;
    bool go_on = true;

    while (read(door->signals, &signal, sizeof signal) == sizeof signal) {
        go_on = go_on && signal.ssi_signo == SIGHUP;
        bell_ring(door->agent->sender, BELL_HURRY);
        bell_ring(door->agent->poller, BELL_HURRY);
    }
    return go_on;
}

static void drop_silent_clients(struct door *door)
{
    struct client *client, *next;
    int64_t limit = moment_monotonic() - OPEN_TIMEOUT;

    for (client = TAILQ_FIRST(&door->clients); client; client = next) {
        next = TAILQ_NEXT(client, next);
        if (!client->held && client->since < limit)
            remove_client(door, client);
    }
}

static int64_t tick(struct door *door)
{
    door->deaf = false;
    drop_silent_clients(door);
    if (moment_monotonic() >= door->drop_due) {
        drop_look(door->agent->drop);
        door->drop_due = moment_monotonic() + DROP_TICK;
    }
    return moment_monotonic() + (keeper_tick(door->agent) ? TICK_SOON : TICK);
}

static int wait_for_events(struct door *door, int64_t until)
{
    struct client *client;
    size_t count = POLL_CLIENTS;
    int64_t ms = until - moment_monotonic();

    door->polled[POLL_SIGNALS] = (struct pollfd){.fd = door->signals, .events = POLLIN};
    door->polled[POLL_NEWS] = (struct pollfd){.fd = held_news(door->agent->held), .events = POLLIN};
    door->polled[POLL_LISTENER] =
        (struct pollfd){.fd = door->deaf ? -1 : door->listener, .events = POLLIN};
    TAILQ_FOREACH (client, &door->clients, next) {
        client->slot = count;
        door->polled[count++] = (struct pollfd){.fd = client->fd, .events = POLLIN};
    }
    return poll(door->polled, count, ms > 0 ? (int)ms : 0);
}

enum err door_run(struct door *door, struct error *e)
{
    int64_t due = 0;

    for (;;) {
        if (moment_monotonic() >= due)
            due = tick(door);
        if (wait_for_events(door, due) < 0 && errno != EINTR)
            return error_set(e, ERR_IO, "poll: %s", strerror(errno));
        if (door->polled[POLL_SIGNALS].revents && !hear_signals(door))
            return ERR_OK;
        if (door->polled[POLL_NEWS].revents) {
            held_hear(door->agent->held);
            due = 0;
        }
        serve_clients(door);
        if (door->polled[POLL_LISTENER].revents)
            accept_clients(door);
    }
}
