/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/server.h"

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
#include "agent/handoff.h"
#include "agent/report_handler.h"
#include "agent/session_manager.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "machine/ipc.h"

enum {
    CLIENTS_MAX = 2 * PROTOCOL_SESSIONS_MAX,
    FILES = 64,           /* descriptors that the agent needs beside the connections */
    PACKETS_MAX = 100,    /* per client and turn */
    ACCEPTS_MAX = 100,    /* per turn */
    TURN = 100,           /* ms of reading packets before the sessions have their turn */
    OPEN_TIMEOUT = 10000, /* ms for a connection to send its open report */
    TICK = 1000,          /* ms */
    TICK_SOON = 100,
    SCAN_INTERVAL = 2000 /* ms between looks into the handoff directory */
};

enum { POLL_SIGNALS, POLL_SESSIONS, POLL_LISTENER, POLL_CLIENTS };

TAILQ_HEAD(clients, client);

struct server {
    struct agent *agent;
    int listener, signals;
    struct clients clients; /* the one read last is at the tail */
    size_t count, max;
    bool no_descriptors; /* until the next tick: out of descriptors */
    bool spool_down;     /* true: the failure is logged already */
    int64_t scan_due;
    struct pollfd polled[POLL_CLIENTS + CLIENTS_MAX];
};

/* --- opening --------------------------------------------------------------------------------- */

/* A socket that a crashed agent left is replaced. One that answers is not: two agents must not
 * share the sessions. Mode 0666: every user may have a session. */
static enum err listen_at(const char *path, int *fd, struct error *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    ipc_make_directory(path);
    if (ipc_connect(path, fd, NULL) == ERR_OK) {
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

/* Limits the connections so that enough descriptors remain for reading /proc: without them the
 * agent could not tell whether a session's processes live. */
static size_t room_for_clients(void)
{
    size_t most = file_raise_limit();

    if (most >= CLIENTS_MAX + FILES)
        return CLIENTS_MAX;
    log_event(LEVEL_WARNING, "accept",
              "detail=\"the limit of %zu open files allows few connections; raise it to %d\"", most,
              CLIENTS_MAX + FILES);
    return most > FILES ? most - FILES : 1;
}

enum err server_open(struct agent *agent, struct server **out, struct error *e)
{
    struct server *server = xcalloc(1, sizeof *server);
    sigset_t signals;

    server->agent = agent;
    server->max = room_for_clients();
    TAILQ_INIT(&server->clients);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    server->listener = -1;
    server->signals = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    enum err err = server->signals < 0
                       ? error_set(e, ERR_IO, "signalfd: %s", strerror(errno))
                       : listen_at(agent->options->agent.socket, &server->listener, e);
    if (err)
        server_close(server);
    else
        *out = server;
    return err;
}

/* --- clients --------------------------------------------------------------------------------- */

static void remove_client(struct server *server, struct client *client)
{
    TAILQ_REMOVE(&server->clients, client, next);
    server->count--;
    client_close(client);
}

void server_close(struct server *server)
{
    struct client *client;

    if (!server)
        return;
    while ((client = TAILQ_FIRST(&server->clients)))
        remove_client(server, client);
    if (server->listener >= 0)
        close(server->listener);
    if (server->signals >= 0)
        close(server->signals);
    free(server);
}

/* Returns whether this user may connect once more. */
static bool has_place(const struct server *server, uid_t uid)
{
    const struct client *client;
    size_t own = 0;

    TAILQ_FOREACH (client, &server->clients, next)
        own += client->peer.uid == uid;
    return quota_place(uid, own, server->count, server->max);
}

static void add_client(struct server *server, int fd)
{
    struct peer peer = {0};
    const char *why = NULL;

    if (!client_identify(fd, &peer))
        why = "its process is gone or cannot be seen";
    else if (!has_place(server, peer.uid))
        why = "too many connections";
    if (why) {
        log_event(LEVEL_WARNING, "connection_refused", "uid=%lu pid=%ld detail=\"%s\"",
                  (unsigned long)peer.uid, (long)peer.process.pid, why);
        close(fd);
        return;
    }
    struct client *client = client_new(fd, &peer);
    TAILQ_INSERT_TAIL(&server->clients, client, next);
    server->count++;
}

static void accept_clients(struct server *server)
{
    int fd = 0;

    for (int i = 0; i < ACCEPTS_MAX && fd >= 0; i++) {
        fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            add_client(server, fd);
    }
    /* The connection stays in the queue, and poll would report it at once, over and over. */
    server->no_descriptors = fd < 0 && (errno == EMFILE || errno == ENFILE);
    if (server->no_descriptors)
        log_event(LEVEL_ERROR, "accept", "detail=\"%s\"", strerror(errno));
}

/* --- a turn: packets, one sync, replies ------------------------------------------------------ */

/* Keeps the reply until the report is durable. */
static enum err receive_packet(struct agent *agent, struct client *client,
                               const struct json_object *packet, struct error *e)
{
    struct origin origin = {.uid = client->peer.uid, .client = client, .session = client->session};
    struct json_object *reply = NULL;
    enum err err = report_handler_receive(agent, &origin, packet, &reply, e);

    if (reply)
        json_object_array_add(client->replies, reply);
    return err;
}

/* Reads and handles packets of one client until `end`, but at least one. The first invalid packet
 * ends the connection. */
static enum err read_client(struct agent *agent, struct client *client, int64_t end,
                            struct error *e)
{
    enum err err = ERR_OK;

    for (int i = 0; i < PACKETS_MAX && !client->done && (i == 0 || clock_ms() < end); i++) {
        struct json_object *packet;
        err = ipc_receive(client->fd, &packet);
        if (err == ERR_BUSY)
            return ERR_OK;
        if (err == ERR_OK)
            err = receive_packet(agent, client, packet, e);
        else if (err == ERR_IO)
            err = ERR_REQUEST; /* the peer has closed */
        json_object_put(packet);
        client->done = err;
    }
    return err == ERR_IO ? err : ERR_OK;
}

static void note_stored(struct client *client, const struct json_object *reply)
{
    struct json_object *seq = NULL;

    if (json_object_object_get_ex(reply, "seq", &seq))
        report_handler_mark_stored(client->session, json_object_get_int64(seq));
}

/* Sends the replies of this turn, if the reports they answer are durable. Otherwise closes the
 * connection: vsay-shell reconnects and repeats what was not acknowledged. A request to terminate
 * is sent in either case. */
static void send_replies(struct agent *agent, struct client *client, bool durable)
{
    size_t count = json_object_array_length(client->replies);

    for (size_t i = 0; i < count && durable; i++)
        note_stored(client, json_object_array_get_idx(client->replies, i));
    for (size_t i = 0; i < count && durable; i++)
        durable = ipc_send(client->fd, json_object_array_get_idx(client->replies, i)) == ERR_OK;
    session_manager_send_terminate(agent, client->session);
    client->done = client->done || (count && !durable);
    if (count) {
        json_object_put(client->replies);
        client->replies = json_object_new_array();
    }
}

/* Logs only changes: a full disk would otherwise fill the log with each report. */
static void note_spool(struct server *server, enum err err, const struct error *e)
{
    if (err && !server->spool_down)
        log_event(LEVEL_ERROR, "spool_down", "detail=\"%s\"", e->detail);
    if (!err && server->spool_down)
        log_event(LEVEL_INFO, "spool_up", "detail=\"it can be written again\"");
    server->spool_down = err;
}

/* Reads from all ready clients, as far as the turn's time allows. Each client that is read moves to
 * the tail, so that the next turn begins with the others. */
static enum err read_clients(struct server *server, size_t *reported, struct error *e)
{
    int64_t end = clock_ms() + TURN;
    enum err err = ERR_OK;

    for (size_t left = server->count; left && clock_ms() < end; left--) {
        struct client *client = TAILQ_FIRST(&server->clients);
        TAILQ_REMOVE(&server->clients, client, next);
        TAILQ_INSERT_TAIL(&server->clients, client, next);
        if (!server->polled[client->poll_index].revents)
            continue;
        enum err failed = read_client(server->agent, client, end, e);
        *reported += json_object_array_length(client->replies);
        err = err ? err : failed;
    }
    return err;
}

/* Replies go out after the sync, and only if it worked. All clients are visited, not only those
 * that reported: a request to terminate may be waiting for any of them. */
static void serve_clients(struct server *server)
{
    struct client *client, *next;
    struct error e = {0};
    size_t reported = 0;
    enum err err = read_clients(server, &reported, &e);

    if (reported && !err)
        err = report_handler_sync(server->agent, &e);
    if (reported || err)
        note_spool(server, err, &e);
    for (client = TAILQ_FIRST(&server->clients); client; client = next) {
        next = TAILQ_NEXT(client, next);
        send_replies(server->agent, client, !err);
        if (client->done)
            remove_client(server, client);
    }
}

/* --- the loop -------------------------------------------------------------------------------- */

/* Returns false when the agent should stop. */
static bool read_signals(struct server *server)
{
    struct signalfd_siginfo signal;
    bool go_on = true;

    while (read(server->signals, &signal, sizeof signal) == sizeof signal) {
        go_on = go_on && signal.ssi_signo == SIGHUP;
        event_flag_set(server->agent->sender, EVENT_HURRY);
        event_flag_set(server->agent->poller, EVENT_HURRY);
    }
    return go_on;
}

/* A vsay-shell opens its session at once. Whoever does not only takes a place. */
static void close_silent_clients(struct server *server)
{
    struct client *client, *next;
    int64_t limit = clock_ms() - OPEN_TIMEOUT;

    for (client = TAILQ_FIRST(&server->clients); client; client = next) {
        next = TAILQ_NEXT(client, next);
        if (!client->session && client->connected_at < limit)
            remove_client(server, client);
    }
}

/* Does what is due by time. Returns when it is to be called again. */
static int64_t tick(struct server *server)
{
    server->no_descriptors = false;
    close_silent_clients(server);
    if (clock_ms() >= server->scan_due) {
        handoff_scan(server->agent->handoff);
        server->scan_due = clock_ms() + SCAN_INTERVAL;
    }
    return clock_ms() + (session_manager_tick(server->agent) ? TICK_SOON : TICK);
}

/* The list is made anew for each turn, so a connection that was closed in the last one cannot be in
 * it. */
static int wait_for_events(struct server *server, int64_t until)
{
    struct client *client;
    size_t count = POLL_CLIENTS;
    int64_t ms = until - clock_ms();

    server->polled[POLL_SIGNALS] = (struct pollfd){.fd = server->signals, .events = POLLIN};
    server->polled[POLL_SESSIONS] =
        (struct pollfd){.fd = session_event_fd(server->agent->sessions), .events = POLLIN};
    server->polled[POLL_LISTENER] =
        (struct pollfd){.fd = server->no_descriptors ? -1 : server->listener, .events = POLLIN};
    TAILQ_FOREACH (client, &server->clients, next) {
        client->poll_index = count;
        server->polled[count++] = (struct pollfd){.fd = client->fd, .events = POLLIN};
    }
    return poll(server->polled, count, ms > 0 ? (int)ms : 0);
}

enum err server_run(struct server *server, struct error *e)
{
    int64_t due = 0;

    for (;;) {
        if (clock_ms() >= due)
            due = tick(server);
        if (wait_for_events(server, due) < 0 && errno != EINTR)
            return error_set(e, ERR_IO, "poll: %s", strerror(errno));
        if (server->polled[POLL_SIGNALS].revents && !read_signals(server))
            return ERR_OK;
        if (server->polled[POLL_SESSIONS].revents) {
            session_clear_event(server->agent->sessions);
            due = 0;
        }
        serve_clients(server);
        if (server->polled[POLL_LISTENER].revents)
            accept_clients(server);
    }
}
