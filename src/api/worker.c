/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/worker.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/db_worker.h"
#include "api/auditor.h"
#include "api/fcgi.h"
#include "api/io.h"
#include "api/listen.h"
#include "api/metrics.h"
#include "api/scheduler.h"
#include "api/sampler.h"
#include "api/poller.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/xalloc.h"

enum {
    TICK_MS = 100,   /* deadlines are checked this often */
    IO_DEFAULT = 4,  /* the default's upper limit for io threads */
    LARGE = 1 << 20, /* allocations of this size go back to the system when freed */
    DESCRIPTORS = 96 /* reserved: database, log, memory files, refused connections */
};

static void reload(struct worker *worker)
{
    struct error e = {0};

    if (auth_reload(worker->auth, &e))
        log_event(LEVEL_ERROR, "reload", "detail=\"%s; the old keys stay\"", e.detail);
    else
        log_event(LEVEL_INFO, "reload", "detail=\"keys read\"");
}

static void update_metrics(const struct worker *worker)
{
    struct metrics_state state = {.connections = atomic_load(&worker->connections)};

    state.waiting[WAIT_NOTHING] = coalescer_count(worker->coalescer, &state.database_away);
    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++)
        state.waiting[what] = waitlist_count(worker->waitlists[what]);
    metrics_state(&state);
}

/* Waits one tick for a signal, then does the periodic work. Returns true on a stop signal. */
static bool tick(struct worker *worker, const sigset_t *signals)
{
    struct timespec wait = {.tv_nsec = TICK_MS * 1000000L};
    struct waiters expired;
    int number = sigtimedwait(signals, NULL, &wait);

    if (number == SIGHUP)
        reload(worker);
    auth_refresh(worker->auth);
    coalescer_expire(worker->coalescer, clock_ms(), &expired);
    scheduler_refuse(&expired, ERR_DEADLINE);
    scheduler_expire(worker, false);
    update_metrics(worker);
    return number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGUSR1;
}

/* Ticks until all threads of the group have ended; ends the process at `deadline`. */
static void await_threads(struct worker *worker, const sigset_t *signals,
                          struct thread_group *thread_group, int64_t deadline)
{
    while (!thread_group_done(thread_group)) {
        tick(worker, signals);
        if (clock_ms() > deadline) {
            log_event(LEVEL_ERROR, "stop", "detail=\"not done within api.shutdown_after\"");
            _exit(EXIT_FAILURE);
        }
    }
    thread_group_join(thread_group);
}

/* Long waits may hold five sixths of the connections: signals four, session ends one. The last
 * sixth stays free for short requests. A request that finds its waitlist full is answered at
 * once. */
static unsigned waitlist_capacity(const struct worker *worker, enum wait_for what)
{
    size_t most = worker->connections_max / 6 * (what == WAIT_SIGNAL ? 4 : 1);
    size_t parked = (size_t)worker->settings->api.max_parked;

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

static void open_worker(struct worker *worker, int listener)
{
    /* Otherwise glibc raises the threshold to the largest block freed so far, for good. */
    mallopt(M_MMAP_THRESHOLD, LARGE);
    mallopt(M_TRIM_THRESHOLD, 2 * LARGE);
    fcgi_library_init();
    metrics_open(worker->settings);
    worker->connections_max = connections_max();
    worker->coalescer = coalescer_new((unsigned)worker->settings->api.max_parked);
    for (enum wait_for what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++)
        worker->waitlists[what] = waitlist_new(waitlist_capacity(worker, what));
    listen_prepare(listener);
}

/* Accepts no connection until each database worker has tried to connect: the first requests after a
 * start must not be refused for a database that is there. */
static void start_threads(struct worker *worker, int listener)
{
    const struct settings *settings = worker->settings;

    pthread_barrier_init(&worker->tried, NULL, (unsigned)settings->api.db_workers + 1);
    for (long i = 0; i < settings->api.db_workers; i++)
        thread_group_start(&worker->database, db_worker_run, worker);
    pthread_barrier_wait(&worker->tried);
    thread_group_start(&worker->database, poller_run, worker);
    thread_group_start(&worker->audit, auditor_run, worker);
    if (settings->agents.usage_history)
        thread_group_start(&worker->database, sampler_run, worker);
    worker->loop_count = io_threads(settings);
    worker->loops = xcalloc(worker->loop_count, sizeof(struct io *));
    for (size_t i = 0; i < worker->loop_count; i++) {
        worker->loops[i] = io_new(worker, listener);
        thread_group_start(&worker->io, io_run, worker->loops[i]);
    }
    log_event(LEVEL_INFO, "start", "io_threads=%zu db_workers=%ld", worker->loop_count,
              settings->api.db_workers);
}

/* Io threads first: database workers must still answer their last requests. The auditor last: every
 * answer may add a note. */
static void stop_threads(struct worker *worker, const sigset_t *signals)
{
    int64_t deadline = clock_ms() + worker->settings->api.shutdown_after * 1000;

    for (size_t i = 0; i < worker->loop_count; i++)
        io_stop(worker->loops[i]);
    scheduler_expire(worker, true);
    await_threads(worker, signals, &worker->io, deadline);
    coalescer_stop(worker->coalescer);
    await_threads(worker, signals, &worker->database, deadline);
    auditor_stop();
    await_threads(worker, signals, &worker->audit, deadline);
    log_event(LEVEL_INFO, "stop", "detail=\"all answered\"");
}

static void close_worker(struct worker *worker)
{
    pthread_barrier_destroy(&worker->tried);
    for (size_t i = 0; i < worker->loop_count; i++)
        io_free(worker->loops[i]);
    free(worker->loops);
    coalescer_free(worker->coalescer);
    metrics_close();
    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++)
        waitlist_free(worker->waitlists[what]);
}

int worker_run(struct worker *worker, int listener)
{
    sigset_t signals;

    sigfillset(&signals);
    sigdelset(&signals, SIGBUS); /* handled in metrics_memory.c */
    pthread_sigmask(SIG_SETMASK, &signals, NULL);
    open_worker(worker, listener);
    start_threads(worker, listener);
    while (!tick(worker, &signals))
        ;
    stop_threads(worker, &signals);
    close_worker(worker);
    return EXIT_SUCCESS;
}
