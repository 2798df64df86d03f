/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/worker.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/answerer.h"
#include "api/crew.h"
#include "api/fcgi.h"
#include "api/io.h"
#include "api/listen.h"
#include "api/parking.h"
#include "api/watcher.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/xalloc.h"

enum {
    TICK_MS = 100,   /* how late a deadline may be noticed */
    IO_DEFAULT = 4,  /* io threads at most, unless told otherwise */
    LARGE = 1 << 20, /* bytes that go back to the system as soon as they are freed */
    DESCRIPTORS = 96 /* for the database, the log, files in memory, and connections to be refused */
};

/* In the order in which they start. */
static struct {
    struct crew answerers, watcher, *io;
    struct answerers answering;
    struct io **loops;
    size_t loop_count;
} threads;

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
    parking_refuse(&expired, ERR_DEADLINE);
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

/* Who waits for long leaves a sixth of the connections to the rest: a full watch answers at once. */
static unsigned watch_capacity(const struct app *app, enum wait_for what)
{
    size_t most = app->connections_max / 6 * (what == WAIT_SIGNAL ? 4 : 1);
    size_t parked = (size_t)app->settings->api.max_parked;

    return (unsigned)(most < parked ? most : parked);
}

static size_t io_threads(const struct settings *settings)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (settings->api.io_threads)
        return (size_t)settings->api.io_threads;
    return cores < 1 ? 1 : cores > IO_DEFAULT ? IO_DEFAULT : (size_t)cores;
}

static size_t connections_max(void)
{
    size_t descriptors = limits_descriptors();

    return descriptors > 2 * DESCRIPTORS ? descriptors - DESCRIPTORS : descriptors / 2;
}

static void open_worker(struct app *app, int listener)
{
    mallopt(M_MMAP_THRESHOLD, LARGE); /* glibc would raise it to what large bodies take, for good */
    mallopt(M_TRIM_THRESHOLD, 2 * LARGE);
    fcgi_library_init();
    atomic_init(&app->connections, 0);
    app->connections_max = connections_max();
    app->board = board_new((unsigned)app->settings->api.max_parked);
    for (enum wait_for what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++)
        app->watches[what] = watch_new(watch_capacity(app, what));
    listen_prepare(listener);
}

/* Accepts nothing before each answerer has tried to connect. */
static void start_threads(struct app *app, int listener)
{
    const struct settings *settings = app->settings;
    struct answerers *answering = &threads.answering;

    answering->app = app;
    pthread_barrier_init(&answering->tried, NULL, (unsigned)settings->api.answerers + 1);
    crew_start(&threads.answerers, (size_t)settings->api.answerers, answerer_run, answering);
    pthread_barrier_wait(&answering->tried);
    crew_start(&threads.watcher, 1, watcher_run, app);
    threads.loop_count = io_threads(settings);
    threads.loops = xcalloc(threads.loop_count, sizeof(*threads.loops));
    threads.io = xcalloc(threads.loop_count, sizeof(*threads.io));
    for (size_t i = 0; i < threads.loop_count; i++) {
        threads.loops[i] = io_new(app, listener);
        crew_start(&threads.io[i], 1, io_run, threads.loops[i]);
    }
    log_event(LEVEL_INFO, "start", "io_threads=%zu answerers=%ld", threads.loop_count,
              settings->api.answerers);
}

/* The connections first, whose requests the others still answer. */
static void stop_threads(struct app *app, const sigset_t *signals)
{
    int64_t deadline = board_now() + app->settings->api.shutdown_after * 1000;

    for (size_t i = 0; i < threads.loop_count; i++)
        io_stop(threads.loops[i]);
    parking_expire(app, true);
    for (size_t i = 0; i < threads.loop_count; i++)
        await_crew(app, signals, &threads.io[i], deadline);
    board_stop(app->board);
    await_crew(app, signals, &threads.watcher, deadline);
    await_crew(app, signals, &threads.answerers, deadline);
    log_event(LEVEL_INFO, "stop", "detail=\"all answered\"");
}

static void close_worker(struct app *app)
{
    pthread_barrier_destroy(&threads.answering.tried);
    for (size_t i = 0; i < threads.loop_count; i++)
        io_free(threads.loops[i]);
    free(threads.loops);
    free(threads.io);
    board_free(app->board);
    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++)
        watch_free(app->watches[what]);
}

int worker_run(struct app *app, int listener)
{
    sigset_t signals;

    sigfillset(&signals);
    pthread_sigmask(SIG_SETMASK, &signals, NULL);
    open_worker(app, listener);
    start_threads(app, listener);
    while (!tick(app, &signals))
        ;
    stop_threads(app, &signals);
    close_worker(app);
    return EXIT_SUCCESS;
}
