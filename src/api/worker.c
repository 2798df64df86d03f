/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/worker.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/auditor.h"
#include "api/db_worker.h"
#include "api/fcgi.h"
#include "api/io.h"
#include "api/listen.h"
#include "api/metrics.h"
#include "api/poller.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/xalloc.h"

enum {
    TICK_MS = 100,          /* deadlines are checked this often */
    IO_DEFAULT = 4,         /* the default's upper limit for io threads */
    LARGE = 1 << 20,        /* allocations of this size go back to the system when freed */
    DESCRIPTORS = 96,       /* reserved: database, log, memory files, refused connections */
    STACK_SIZE = 512 * 1024 /* bytes; tokens are decoded on the stack: see TOKEN_MAX */
};

/* Threads that end together. Zero-initialise it. */
struct thread_group {
    SLIST_HEAD(, thread) threads;
    atomic_size_t working;
};

struct worker {
    const struct settings *settings;
    struct auth *auth;
    struct scheduler scheduler;
    struct io_shared shared;
    struct io **loops; /* one per io thread */
    size_t loop_count;
    atomic_uint db_workers;                  /* started so far */
    pthread_barrier_t tried;                 /* passed once each db worker has tried to connect */
    struct thread_group io, database, audit; /* in the order in which they stop */
};

/* --- threads ---------------------------------------------------------------------------------- */

/* A thread of a group. Threads are joined by the main thread only after all have ended, so that it
 * can go on with its ticks, and end the process if one hangs. */
struct thread {
    pthread_t thread;
    struct thread_group *group;
    void (*job)(void *);
    void *argument;
    SLIST_ENTRY(thread) next;
};

static void *run_job(void *context)
{
    struct thread *thread = context;

    thread->job(thread->argument);
    atomic_fetch_sub(&thread->group->working, 1);
    return NULL;
}

/* Starts a thread that runs job(argument); ends the process on failure. */
static void start_thread(struct thread_group *group, void (*job)(void *), void *argument)
{
    struct thread *thread = xcalloc(1, sizeof *thread);
    pthread_attr_t attributes;

    thread->group = group;
    thread->job = job;
    thread->argument = argument;
    SLIST_INSERT_HEAD(&group->threads, thread, next);
    atomic_fetch_add(&group->working, 1);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (pthread_create(&thread->thread, &attributes, run_job, thread) != 0) {
        log_event(LEVEL_ERROR, "start", "detail=\"cannot start a thread\"");
        exit(EXIT_FAILURE);
    }
    pthread_attr_destroy(&attributes);
}

/* Waits for all threads, and frees what they used. */
static void join_threads(struct thread_group *group)
{
    struct thread *thread = NULL;

    while ((thread = SLIST_FIRST(&group->threads))) {
        SLIST_REMOVE_HEAD(&group->threads, next);
        pthread_join(thread->thread, NULL);
        free(thread);
    }
}

/* Of several database workers, the first takes no batch that writes. */
static void db_worker_job(void *context)
{
    struct worker *worker = context;
    bool first = atomic_fetch_add(&worker->db_workers, 1) == 0;

    db_worker_run(&worker->scheduler, first && worker->settings->api.db_workers > 1,
                  &worker->tried);
}

static void poller_job(void *worker)
{
    poller_run(&((struct worker *)worker)->scheduler);
}

static void sampler_job(void *worker)
{
    sampler_run(&((struct worker *)worker)->scheduler);
}

static void auditor_job(void *worker)
{
    auditor_run(((struct worker *)worker)->settings);
}

static void io_job(void *io)
{
    io_run(io);
}

/* --- the main thread -------------------------------------------------------------------------- */

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
    const struct scheduler *scheduler = &worker->scheduler;
    struct metrics_state state = {.connections = atomic_load(&worker->shared.connections)};

    state.waiting[WAIT_NOTHING] = coalescer_count(scheduler->coalescer, &state.database_away);
    for (int what = WAIT_NOTHING + 1; what < WAIT_COUNT; what++)
        state.waiting[what] = waitlist_count(scheduler->waitlists[what]);
    metrics_state(&state);
}

/* Waits one tick for a signal, then does the periodic work. Returns true on a stop signal. */
static bool tick(struct worker *worker, const sigset_t *signals)
{
    struct timespec wait = {.tv_nsec = TICK_MS * 1000000L};
    int number = sigtimedwait(signals, NULL, &wait);

    if (number == SIGHUP)
        reload(worker);
    auth_refresh(worker->auth);
    scheduler_expire(&worker->scheduler);
    update_metrics(worker);
    return number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGUSR1;
}

/* Ticks until all threads of the group have ended; ends the process at `deadline`. */
static void await_threads(struct worker *worker, const sigset_t *signals,
                          struct thread_group *group, int64_t deadline)
{
    while (atomic_load(&group->working)) {
        tick(worker, signals);
        if (clock_ms() > deadline) {
            log_event(LEVEL_ERROR, "stop", "detail=\"not done within api.shutdown_after\"");
            auditor_log_rest();
            _exit(EXIT_FAILURE);
        }
    }
    join_threads(group);
}

static size_t io_threads(const struct settings *settings)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (settings->api.io_threads)
        return (size_t)settings->api.io_threads;
    return cores < 1 ? 1 : cores > IO_DEFAULT ? IO_DEFAULT : (size_t)cores;
}

/* Half of the descriptors if they are very few, so that a misconfigured worker serves at all. */
static size_t connections_max(void)
{
    size_t descriptors = file_raise_limit();

    return descriptors > 2 * DESCRIPTORS ? descriptors - DESCRIPTORS : descriptors / 2;
}

static void open_worker(struct worker *worker, int listener)
{
    size_t connections = connections_max();

    /* Otherwise glibc raises the threshold to the largest block freed so far, for good. */
    mallopt(M_MMAP_THRESHOLD, LARGE);
    mallopt(M_TRIM_THRESHOLD, 2 * LARGE);
    fcgi_library_init();
    metrics_open(worker->settings);
    scheduler_open(&worker->scheduler, worker->settings, connections);
    worker->shared = (struct io_shared){.settings = worker->settings,
                                        .auth = worker->auth,
                                        .scheduler = &worker->scheduler,
                                        .connections_max = connections};
    listen_prepare(listener);
}

/* Accepts no connection until each database worker has tried to connect: the first requests after a
 * start must not be refused for a database that is there. */
static void start_threads(struct worker *worker, int listener)
{
    const struct settings *settings = worker->settings;

    pthread_barrier_init(&worker->tried, NULL, (unsigned)settings->api.db_workers + 1);
    for (long i = 0; i < settings->api.db_workers; i++)
        start_thread(&worker->database, db_worker_job, worker);
    pthread_barrier_wait(&worker->tried);
    start_thread(&worker->database, poller_job, worker);
    start_thread(&worker->audit, auditor_job, worker);
    if (settings->agents.usage_history)
        start_thread(&worker->database, sampler_job, worker);
    worker->loop_count = io_threads(settings);
    worker->loops = xcalloc(worker->loop_count, sizeof(struct io *));
    for (size_t i = 0; i < worker->loop_count; i++) {
        worker->loops[i] = io_new(&worker->shared, listener);
        start_thread(&worker->io, io_job, worker->loops[i]);
    }
    log_event(LEVEL_INFO, "start", "io_threads=%zu db_workers=%ld", worker->loop_count,
              settings->api.db_workers);
}

/* Io threads first: database workers must still answer their last requests. The auditor last: every
 * response may add a note. */
static void stop_threads(struct worker *worker, const sigset_t *signals)
{
    int64_t deadline = clock_ms() + worker->settings->api.shutdown_after * 1000;

    for (size_t i = 0; i < worker->loop_count; i++)
        io_stop(worker->loops[i]);
    scheduler_end_waits(&worker->scheduler);
    await_threads(worker, signals, &worker->io, deadline);
    coalescer_stop(worker->scheduler.coalescer);
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
    scheduler_close(&worker->scheduler);
    metrics_close();
}

int worker_run(const struct settings *settings, struct auth *auth, int listener)
{
    struct worker worker = {.settings = settings, .auth = auth};
    sigset_t signals;

    sigfillset(&signals);
    sigdelset(&signals, SIGBUS); /* handled in metrics_memory.c */
    pthread_sigmask(SIG_SETMASK, &signals, NULL);
    open_worker(&worker, listener);
    start_threads(&worker, listener);
    while (!tick(&worker, &signals))
        ;
    stop_threads(&worker, &signals);
    close_worker(&worker);
    return EXIT_SUCCESS;
}
