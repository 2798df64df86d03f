/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/gateway_fcgi.h"

#include <errno.h>
#include <fcntl.h>
#include <fcgiapp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/answerer.h"
#include "api/crew.h"
#include "api/lane.h"
#include "api/parking.h"
#include "api/watcher.h"
#include "base/log.h"
#include "base/xalloc.h"

enum {
    ACCEPT_TICK_MS = 250,  /* how soon an idle acceptor sees that it should stop */
    TICK_MS = 100,         /* how late a deadline may be noticed */
    DRAIN_MAX = 8 << 20,   /* bytes of an unread body that are read before an early answer */
    PEEK_SIZE = 16 * 1024, /* bytes of a request that an acceptor reads by itself */
    RECORD_HEADER = 8,     /* bytes */
    RECORD_STDIN = 5,
    SMALL_ANSWER = 64 * 1024 /* fits a socket's buffer: written without waiting for the reader */
};

/* One request from accept to finish. The waiter comes first: it is cast back. */
struct exchange {
    struct waiter waiter;
    FCGX_Request fcgi;
    struct request request;
    struct reply *reply; /* while it waits for a writer */
    int64_t read_until;  /* monotonic ms: its body must be here by then */
};

/* One worker a process: what its threads share. */
static struct {
    struct app *app;
    int listener;
    struct lane *readers, *writers;
    atomic_bool stopping;
} worker;

/* --- one exchange ---------------------------------------------------------------------------- */

static struct exchange *exchange_new(void)
{
    struct exchange *exchange = xcalloc(1, sizeof *exchange);

    FCGX_InitRequest(&exchange->fcgi, -1, 0);
    return exchange;
}

static void exchange_free(struct exchange *exchange)
{
    if (!exchange)
        return;
    question_free(exchange->waiter.question);
    reply_release(exchange->reply);
    FCGX_Free(&exchange->fcgi, 1);
    free(exchange);
}

/* A peer that sends a byte now and then is cut off by read_until, a silent one by io_timeout. */
static long read_body(void *gateway, char *buffer, size_t size)
{
    struct exchange *exchange = gateway;

    if (board_now() > exchange->read_until)
        return -1;
    int n = FCGX_GetStr(buffer, (int)size, exchange->fcgi.in);
    return n == 0 && FCGX_GetError(exchange->fcgi.in) ? -1 : n;
}

/* A connection closed with unread input would reset what was written. */
static void drain(struct exchange *exchange)
{
    char buffer[4096];
    long n, total = 0;

    if (!exchange->fcgi.in) /* a parked one, read to its end */
        return;
    while ((n = read_body(exchange, buffer, sizeof buffer)) > 0 && total < DRAIN_MAX)
        total += n;
}

/* FCGX_Finish_r, also for a request whose input was freed already. */
static void finish(FCGX_Request *fcgi)
{
    FCGX_Detach(fcgi); /* no waiting for the peer to close */
    FCGX_FClose(fcgi->err);
    FCGX_FClose(fcgi->out);
    FCGX_Free(fcgi, 1);
}

static void write_answer(struct exchange *exchange, struct reply *reply)
{
    char head[REPLY_HEAD_MAX];
    size_t head_length = reply_head(reply, &exchange->request, worker.app->settings, head);
    size_t body_length = reply_body_length(reply, &exchange->request);

    drain(exchange);
    FCGX_PutStr(head, (int)head_length, exchange->fcgi.out);
    FCGX_PutStr(reply->body, (int)body_length, exchange->fcgi.out);
    reply_log(reply, &exchange->request);
    finish(&exchange->fcgi);
}

/* What a writer does. */
static void write_large(void *job)
{
    struct exchange *exchange = job;

    write_answer(exchange, exchange->reply);
    exchange_free(exchange);
}

static void deliver(struct waiter *waiter, struct reply *reply)
{
    struct exchange *exchange = (struct exchange *)waiter;

    if (reply->body_length <= SMALL_ANSWER) {
        write_answer(exchange, reply);
        exchange_free(exchange);
        return;
    }
    exchange->reply = reply_hold(reply);
    if (!lane_put(worker.writers, exchange)) {
        log_event(LEVEL_WARNING, "write", "id=%s detail=\"too many slow readers\"",
                  exchange->request.id);
        exchange_free(exchange);
    }
}

/* nginx closes its connection when its client has gone; other web servers tell nothing. */
static bool has_gone(const struct waiter *waiter)
{
    struct pollfd peer = {.fd = ((const struct exchange *)waiter)->fcgi.ipcFd, .events = POLLRDHUP};

    return poll(&peer, 1, 0) > 0 && peer.revents & (POLLHUP | POLLRDHUP | POLLERR);
}

static void drop(struct waiter *waiter)
{
    exchange_free((struct exchange *)waiter);
}

static const struct gateway gateway = {deliver, has_gone, drop};

/* --- acceptors ------------------------------------------------------------------------------- */

static void set_timeout(int fd, int option, long ms)
{
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    setsockopt(fd, SOL_SOCKET, option, &time, sizeof time);
}

/* Waits for a connection, at most ACCEPT_TICK_MS; -1 when there is none. */
static int accept_connection(void)
{
    int fd = accept4(worker.listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            log_event(LEVEL_ERROR, "accept", "detail=\"%s\"", strerror(errno));
            usleep(ACCEPT_TICK_MS * 1000); /* out of descriptors: others may give some back */
        }
        return -1;
    }
    long ms = worker.app->settings->api.io_timeout * 1000;
    int on = 1;
    set_timeout(fd, SO_RCVTIMEO, ms);
    set_timeout(fd, SO_SNDTIMEO, ms);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on a UNIX socket */
    return fd;
}

/* libfcgi would accept by itself, and then read the parameters without a time limit. A request that
 * says it keeps its connection, with a descriptor in place, makes it read from that instead; after
 * a malformed one it turns to its own listener, which is -1, and fails. */
static bool read_request(struct exchange *exchange, int fd)
{
    exchange->fcgi.ipcFd = fd;
    exchange->fcgi.keepConnection = 1;
    exchange->read_until = board_now() + worker.app->settings->api.body_timeout * 1000;
    if (FCGX_Accept_r(&exchange->fcgi) == 0)
        return true;
    log_event(LEVEL_WARNING, "request", "detail=\"not a whole FastCGI request\"");
    exchange->fcgi.keepConnection = 0;
    return false;
}

/* The answer that can be given at once, or NULL when the exchange is parked now. */
static struct reply *answer_or_park(struct exchange *exchange)
{
    struct app *app = worker.app;
    struct request *request = &exchange->request;
    struct error e = {0};
    struct question *question = NULL;
    enum err err = request_parse(request, exchange->fcgi.envp, app->settings->api.prefix, read_body,
                                 exchange, &e);

    if (err)
        return reply_error(err, &e);
    struct reply *reply = route_dispatch(app, request, &question);
    if (reply)
        return reply;
    question->until = board_now() + question->wait * 1000;
    exchange->waiter.question = question;
    FCGX_FreeStream(&exchange->fcgi.in); /* read to its end: half of what a parked one would hold */
    err = parking_ask(app, &exchange->waiter);
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
        write_answer(exchange, reply);
    reply_release(reply);
    return reply != NULL;
}

/* What a reader does. */
static void read_slow(void *job)
{
    struct exchange *exchange = job;

    if (!read_request(exchange, exchange->fcgi.ipcFd) || is_over(exchange))
        exchange_free(exchange);
}

/* Whether all of a request lies in the socket, so that reading it waits for nobody: its records
 * (FastCGI 1.0 section 3.3) up to the empty one that ends its body. A large one counts as slow. */
static bool is_whole(int fd)
{
    unsigned char bytes[PEEK_SIZE];
    ssize_t count = recv(fd, bytes, sizeof bytes, MSG_PEEK);

    for (ssize_t at = 0; at + RECORD_HEADER <= count;) {
        const unsigned char *record = bytes + at;
        int length = record[4] << 8 | record[5];
        if (record[1] == RECORD_STDIN && length == 0)
            return true;
        at += RECORD_HEADER + length + record[6];
    }
    return false;
}

static void acceptor_run(void *unused)
{
    struct exchange *exchange = exchange_new();

    (void)unused;
    while (!atomic_load(&worker.stopping)) {
        int fd = accept_connection();
        if (fd < 0)
            continue;
        if (is_whole(fd)) {
            if (!read_request(exchange, fd) || is_over(exchange))
                continue;
        } else {
            exchange->fcgi.ipcFd = fd;
            if (!lane_put(worker.readers, exchange))
                exchange_free(exchange);
        }
        exchange = exchange_new();
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

/* A parked request holds a descriptor: takes as many as the hard limit gives. */
static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int gateway_fcgi_run(struct app *app, int listener)
{
    const struct settings *settings = app->settings;
    struct answerers answering = {.app = app};
    struct crew acceptors, answerers, readers, writers, watcher;
    sigset_t signals;

    sigfillset(&signals);
    pthread_sigmask(SIG_SETMASK, &signals, NULL);
    FCGX_Init();
    worker.app = app;
    worker.listener = listener;
    worker.readers = lane_new(read_slow, (unsigned)settings->api.max_parked);
    worker.writers = lane_new(write_large, (unsigned)settings->api.max_parked);
    app->gateway = &gateway;
    app->board = board_new((unsigned)settings->api.max_parked);
    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++)
        app->watches[what] = watch_new((unsigned)settings->api.max_parked);
    set_timeout(listener, SO_RCVTIMEO, ACCEPT_TICK_MS);
    fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) & ~O_NONBLOCK);
    allow_descriptors();

    pthread_barrier_init(&answering.tried, NULL, (unsigned)settings->api.answerers + 1);
    crew_start(&writers, (size_t)settings->api.writers, lane_run, worker.writers);
    crew_start(&readers, (size_t)settings->api.readers, lane_run, worker.readers);
    crew_start(&answerers, (size_t)settings->api.answerers, answerer_run, &answering);
    pthread_barrier_wait(&answering.tried);
    crew_start(&watcher, 1, watcher_run, app);
    crew_start(&acceptors, (size_t)settings->api.acceptors, acceptor_run, NULL);
    log_event(LEVEL_INFO, "start", "acceptors=%ld answerers=%ld", settings->api.acceptors,
              settings->api.answerers);

    while (!tick(app, &signals))
        ;
    int64_t deadline = board_now() + settings->api.shutdown_after * 1000;
    atomic_store(&worker.stopping, true);
    await_crew(app, &signals, &acceptors, deadline);
    lane_close(worker.readers);
    await_crew(app, &signals, &readers, deadline);
    parking_expire(app, true);
    board_stop(app->board);
    await_crew(app, &signals, &watcher, deadline);
    await_crew(app, &signals, &answerers, deadline);
    lane_close(worker.writers);
    await_crew(app, &signals, &writers, deadline);
    log_event(LEVEL_INFO, "stop", "detail=\"all answered\"");

    pthread_barrier_destroy(&answering.tried);
    board_free(app->board);
    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++)
        watch_free(app->watches[what]);
    lane_free(worker.readers);
    lane_free(worker.writers);
    return EXIT_SUCCESS;
}
