/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/gateway_fcgi.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/answerer.h"
#include "api/crew.h"
#include "api/exchange.h"
#include "api/lane.h"
#include "api/listen.h"
#include "api/parking.h"
#include "api/watcher.h"
#include "base/limits.h"
#include "base/log.h"

enum {
    TICK_MS = 100,           /* how late a deadline may be noticed */
    PEEK_SIZE = 16 * 1024,   /* bytes of a request that an acceptor reads by itself */
    PEEK_MS = 20,            /* how long it waits for them */
    SLOW_GRACE_MS = 1000,    /* for bodies that are under way when the worker stops */
    SMALL_ANSWER = 64 * 1024 /* fits a socket's buffer: written without waiting for the reader */
};

/* One worker a process: what its threads share. */
static struct {
    struct app *app;
    int listener;
    struct pump *receiving, *sending;
    struct lane *readers;
    atomic_bool stopping;
    atomic_int_least64_t
        read_until; /* monotonic ms: when bodies are cut off, as the worker stops */
} worker;

/* --- answers --------------------------------------------------------------------------------- */

static enum progress send_some(void *job)
{
    return exchange_send(job);
}

static void sent(void *job, bool complete)
{
    struct exchange *exchange = job;

    if (complete)
        exchange_log(exchange);
    else
        log_event(LEVEL_INFO, "write", "id=%s detail=\"the reader has gone, or stands still\"",
                  exchange->request.id);
    exchange_free(exchange);
}

static const struct pump_work sending = {EPOLLOUT, send_some, sent};

static void write_large(struct exchange *exchange, struct reply *reply)
{
    exchange_write_large(exchange, reply);
    if (pump_put(worker.sending, exchange_socket(exchange), exchange))
        return;
    log_event(LEVEL_WARNING, "write", "id=%s detail=\"too many slow readers\"",
              exchange->request.id);
    exchange_free(exchange);
}

static void deliver(struct waiter *waiter, struct reply *reply)
{
    struct exchange *exchange = (struct exchange *)waiter;

    if (reply->body_length > SMALL_ANSWER) {
        write_large(exchange, reply);
        return;
    }
    exchange_write(exchange, reply);
    exchange_free(exchange);
}

/* nginx closes its connection when its client has gone; other web servers tell nothing. */
static bool has_gone(const struct waiter *waiter)
{
    struct pollfd peer = {.fd = exchange_socket((const struct exchange *)waiter),
                          .events = POLLRDHUP};

    return poll(&peer, 1, 0) > 0 && peer.revents & (POLLHUP | POLLRDHUP | POLLERR);
}

static void drop(struct waiter *waiter)
{
    exchange_free((struct exchange *)waiter);
}

/* A reader goes on with it. */
static void resume(struct waiter *waiter)
{
    struct exchange *exchange = (struct exchange *)waiter;

    exchange->read_until = board_now() + exchange->settings->api.body_timeout * 1000;
    if (lane_put(worker.readers, exchange))
        return;
    struct reply *reply =
        reply_error(atomic_load(&worker.stopping) ? ERR_STOPPING : ERR_BUSY, NULL);
    deliver(waiter, reply);
    reply_release(reply);
}

static const struct gateway gateway = {deliver, resume, has_gone, drop};

/* --- requests -------------------------------------------------------------------------------- */

/* Begins a request, or goes on with one that was parked. Returns as route_dispatch. */
static struct reply *dispatch(struct exchange *exchange, struct question **question)
{
    struct error e = {0};

    *question = exchange->waiter.question;
    exchange->waiter.question = NULL;
    if (*question)
        return route_resume(&exchange->request, question);
    enum err err = exchange_parse(exchange, &e);
    return err ? reply_error(err, &e)
               : route_dispatch(worker.app, &exchange->request, question);
}

/* The answer that can be given at once, or NULL when the exchange is parked now. */
static struct reply *answer_or_park(struct exchange *exchange)
{
    struct question *question = NULL;
    struct reply *reply = dispatch(exchange, &question);

    if (reply && exchange->cut_off) {
        reply_release(reply);
        return reply_error(ERR_STOPPING, NULL);
    }
    if (reply)
        return reply;
    question->until = board_now() + question->wait * 1000;
    exchange->waiter.question = question;
    if (!question->next)
        exchange_shrink(exchange);
    enum err err = parking_ask(worker.app, &exchange->waiter);
    if (!err)
        return NULL;
    exchange->waiter.question = NULL;
    question_free(question);
    return reply_error(err, NULL);
}

/* Whether the exchange is over, and not parked. */
static bool is_over(struct exchange *exchange)
{
    struct reply *reply = answer_or_park(exchange);

    if (reply)
        exchange_write(exchange, reply);
    reply_release(reply);
    return reply != NULL;
}

/* --- requests that do not come at one go ------------------------------------------------------ */

/* What a reader does: all of the request that will ever come is there. */
static void read_collected(void *job)
{
    struct exchange *exchange = job;
    bool begun = exchange->waiter.question;

    if ((!begun && !exchange_read_collected(exchange)) || is_over(exchange))
        exchange_free(exchange);
}

static enum progress receive_some(void *job)
{
    struct exchange *exchange = job;

    exchange->cut_off = board_now() > atomic_load(&worker.read_until);
    if (exchange->cut_off || board_now() > exchange->read_until)
        return PROGRESS_BROKEN;
    return incoming_receive(&exchange->incoming, exchange_socket(exchange));
}

/* Nothing can be answered to what is no FastCGI request. */
static void discard(struct exchange *exchange)
{
    log_event(LEVEL_WARNING, "request", "detail=\"not a whole FastCGI request\"");
    exchange_free(exchange);
}

/* One that broke off in its body is answered too. */
static void received(void *job, bool complete)
{
    struct exchange *exchange = job;

    if (!complete && !incoming_answerable(&exchange->incoming))
        discard(exchange);
    else if (!lane_put(worker.readers, exchange))
        exchange_free(exchange);
}

static const struct pump_work receiving = {EPOLLIN, receive_some, received};

static void collect(struct exchange *exchange)
{
    if (!incoming_open(&exchange->incoming) ||
        !pump_put(worker.receiving, exchange_socket(exchange), exchange))
        exchange_free(exchange);
}

/* How much of a request lies in the socket. Of one that is whole, reading waits for nobody. */
static enum record_stage look_at_request(int fd)
{
    struct record_scan scan = {0};
    unsigned char bytes[PEEK_SIZE];
    struct pollfd peer = {.fd = fd, .events = POLLIN};
    ssize_t count = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);

    if (count < 0 && poll(&peer, 1, PEEK_MS) > 0)
        count = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    return count > 0 ? record_scan(&scan, bytes, (size_t)count) : RECORDS_BEGIN;
}

/* --- acceptors ------------------------------------------------------------------------------- */

static void acceptor_run(void *unused)
{
    const struct settings *settings = worker.app->settings;
    struct exchange *exchange = exchange_new(settings);

    (void)unused;
    while (!atomic_load(&worker.stopping)) {
        int fd = listen_accept(worker.listener, settings->api.io_timeout);
        if (fd < 0)
            continue;
        exchange_open(exchange, fd);
        enum record_stage stage = look_at_request(fd);
        if (stage == RECORDS_BAD)
            discard(exchange);
        else if (stage != RECORDS_WHOLE)
            collect(exchange);
        else if (!exchange_read(exchange) || is_over(exchange))
            continue;
        exchange = exchange_new(settings);
    }
    exchange_free(exchange);
}

/* --- the worker ------------------------------------------------------------------------------ */

static void reload(struct app *app)
{
    struct error e = {0};

    if (auth_reload(app->auth, &e))
        log_event(LEVEL_ERROR, "reload", "detail=\"%s; the old keys stay\"", e.detail);
    else
        log_event(LEVEL_INFO, "reload", "detail=\"keys read\"");
}

/* Handles one signal, or none within a tick; true when told to stop. */
static bool tick(struct app *app, const sigset_t *signals)
{
    struct timespec wait = {.tv_nsec = TICK_MS * 1000000L};
    struct waiters expired;
    int number = sigtimedwait(signals, NULL, &wait);

    if (number == SIGHUP)
        reload(app);
    board_expire(app->board, board_now(), &expired);
    parking_refuse(app, &expired, ERR_DEADLINE);
    parking_expire(app, false);
    parking_reap(app);
    return number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGUSR1;
}

/* Ticks until the crew is done; ends the process when that takes until `deadline`. */
static void await_crew(struct app *app, const sigset_t *signals, struct crew *crew,
                       int64_t deadline)
{
    while (!crew_done(crew)) {
        tick(app, signals);
        if (board_now() > deadline) {
            log_event(LEVEL_ERROR, "stop", "detail=\"not done within api.shutdown_after\"");
            _exit(EXIT_FAILURE);
        }
    }
    crew_join(crew);
}

/* In the order in which they start. */
static struct {
    struct crew sender, receiver, readers, answerers, watcher, acceptors;
    struct answerers answering;
} crews;

/* A parked request holds a descriptor. Who waits for long leaves a sixth to the rest: a full watch
 * answers at once. */
static unsigned watch_capacity(const struct settings *settings, enum wait_for what)
{
    size_t most = limits_descriptors() / 6 * (what == WAIT_SIGNAL ? 4 : 1);

    return most < (size_t)settings->api.max_parked ? (unsigned)most
                                                   : (unsigned)settings->api.max_parked;
}

static void open_worker(struct app *app, int listener)
{
    const unsigned most = (unsigned)app->settings->api.max_parked;
    const int64_t patience = app->settings->api.io_timeout * 1000;

    exchange_library_init();
    worker.app = app;
    worker.listener = listener;
    atomic_init(&worker.read_until, INT64_MAX);
    worker.receiving = pump_new(&receiving, most, patience);
    worker.sending = pump_new(&sending, most, patience);
    worker.readers = lane_new(read_collected, most);
    app->gateway = &gateway;
    app->board = board_new(most);
    for (enum wait_for what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++)
        app->watches[what] = watch_new(watch_capacity(app->settings, what));
    listen_prepare(listener);
}

/* Accepts nothing before each answerer has tried to connect. */
static void start_crews(struct app *app)
{
    const struct settings *settings = app->settings;
    struct answerers *answering = &crews.answering;

    answering->app = app;
    pthread_barrier_init(&answering->tried, NULL, (unsigned)settings->api.answerers + 1);
    crew_start(&crews.sender, 1, pump_run, worker.sending);
    crew_start(&crews.receiver, 1, pump_run, worker.receiving);
    crew_start(&crews.readers, (size_t)settings->api.readers, lane_run, worker.readers);
    crew_start(&crews.answerers, (size_t)settings->api.answerers, answerer_run, answering);
    pthread_barrier_wait(&answering->tried);
    crew_start(&crews.watcher, 1, watcher_run, app);
    crew_start(&crews.acceptors, (size_t)settings->api.acceptors, acceptor_run, NULL);
    log_event(LEVEL_INFO, "start", "acceptors=%ld answerers=%ld", settings->api.acceptors,
              settings->api.answerers);
}

/* In the order in which requests go through them, so that each is answered. */
static void stop_crews(struct app *app, const sigset_t *signals)
{
    int64_t deadline = board_now() + app->settings->api.shutdown_after * 1000;

    atomic_store(&worker.read_until, board_now() + SLOW_GRACE_MS);
    atomic_store(&worker.stopping, true);
    parking_expire(app, true);
    await_crew(app, signals, &crews.acceptors, deadline);
    pump_close(worker.receiving);
    await_crew(app, signals, &crews.receiver, deadline);
    lane_close(worker.readers);
    await_crew(app, signals, &crews.readers, deadline);
    board_stop(app->board);
    await_crew(app, signals, &crews.watcher, deadline);
    await_crew(app, signals, &crews.answerers, deadline);
    pump_close(worker.sending);
    await_crew(app, signals, &crews.sender, deadline);
    log_event(LEVEL_INFO, "stop", "detail=\"all answered\"");
}

static void close_worker(struct app *app)
{
    pthread_barrier_destroy(&crews.answering.tried);
    board_free(app->board);
    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++)
        watch_free(app->watches[what]);
    lane_free(worker.readers);
    pump_free(worker.receiving);
    pump_free(worker.sending);
}

int gateway_fcgi_run(struct app *app, int listener)
{
    sigset_t signals;

    sigfillset(&signals);
    pthread_sigmask(SIG_SETMASK, &signals, NULL);
    open_worker(app, listener);
    start_crews(app);
    while (!tick(app, &signals))
        ;
    stop_crews(app, &signals);
    close_worker(app);
    return EXIT_SUCCESS;
}
