/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/coalescer.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define uthash_fatal(msg) abort()
#include <uthash.h>

#include "base/clock.h"
#include "base/xalloc.h"

TAILQ_HEAD(batches, batch);

/* The batches of one key: those running, and those pending, of which the last one gathers
 * waiters. */
struct key_entry {
    char *key;
    unsigned running;    /* running batches; see may_overlap */
    unsigned last_count; /* waiters of the batch that started last */
    struct batches pending;
    unsigned weight; /* of all pending batches */
    UT_hash_handle hh;
};

/* After a batch, the next one of its key is delayed by this many times its query's duration, within
 * these bounds. So a cheap query that is asked without pause keeps the database busy a fifth of the
 * time. The delay ends early once as many wait as that batch answered plus those left waiting: with
 * few clients, all are back by then. Without this early end, stats of 1,000 users at 4 connections
 * were 0.6 times as fast as without batches. */
enum { DELAY_TIMES = 4, DELAY_MIN_US = 1000, DELAY_MAX_US = 4000 };

struct coalescer {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a batch may be ready, or coalescer_stop was called */
    pthread_cond_t stopping;
    struct key_entry *entries;    /* hash by key */
    struct batches reads, writes; /* ready to start, oldest first */
    struct batches delayed;       /* delayed until `due`, oldest first */
    struct waiters by_age;        /* all waiters, oldest first */
    unsigned parked, capacity;
    unsigned db_workers_up;
    enum err down_reason; /* valid while db_workers_up is 0 */
    bool stopped;
};

static struct timespec timespec_of(int64_t us)
{
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

struct coalescer *coalescer_new(unsigned capacity)
{
    struct coalescer *coalescer = xcalloc(1, sizeof *coalescer);
    pthread_condattr_t monotonic;

    pthread_mutex_init(&coalescer->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&coalescer->work, &monotonic);
    pthread_cond_init(&coalescer->stopping, &monotonic);
    pthread_condattr_destroy(&monotonic);
    TAILQ_INIT(&coalescer->reads);
    TAILQ_INIT(&coalescer->writes);
    TAILQ_INIT(&coalescer->delayed);
    TAILQ_INIT(&coalescer->by_age);
    coalescer->capacity = capacity;
    coalescer->down_reason = ERR_DB_AWAY;
    return coalescer;
}

void coalescer_free(struct coalescer *coalescer)
{
    if (!coalescer)
        return;
    assert(TAILQ_EMPTY(&coalescer->by_age));
    pthread_cond_destroy(&coalescer->work);
    pthread_cond_destroy(&coalescer->stopping);
    pthread_mutex_destroy(&coalescer->lock);
    free(coalescer);
}

void batch_free(struct batch *batch)
{
    free(batch);
}

/* --- entries and batches; the caller holds the lock ------------------------------------------- */

static struct key_entry *entry_of(struct coalescer *coalescer, const char *key)
{
    struct key_entry *entry = NULL;

    HASH_FIND_STR(coalescer->entries, key, entry);
    if (!entry) {
        entry = xcalloc(1, sizeof *entry);
        entry->key = xstrdup(key);
        TAILQ_INIT(&entry->pending);
        HASH_ADD_KEYPTR(hh, coalescer->entries, entry->key, strlen(entry->key), entry);
    }
    return entry;
}

static void entry_remove_if_idle(struct coalescer *coalescer, struct key_entry *entry)
{
    if (entry->running || !TAILQ_EMPTY(&entry->pending))
        return;
    HASH_DEL(coalescer->entries, entry);
    free(entry->key);
    free(entry);
}

static void enqueue(struct batches *queue, struct batch *batch)
{
    batch->queue = queue;
    TAILQ_INSERT_TAIL(queue, batch, next);
}

static void dequeue(struct batch *batch)
{
    if (batch->queue)
        TAILQ_REMOVE(batch->queue, batch, next);
    batch->queue = NULL;
}

/* A signal wakes one thread. That may be the one that only reads, so a batch that writes wakes
 * all. */
static void make_ready(struct coalescer *coalescer, struct batch *batch)
{
    batch->ready = clock_us();
    enqueue(batch->writes ? &coalescer->writes : &coalescer->reads, batch);
    if (batch->writes)
        pthread_cond_broadcast(&coalescer->work);
    else
        pthread_cond_signal(&coalescer->work);
}

static void delay(struct coalescer *coalescer, struct batch *batch, int64_t us, unsigned expected)
{
    batch->due = clock_us() + us;
    batch->expected = expected;
    enqueue(&coalescer->delayed, batch);
    pthread_cond_broadcast(&coalescer->work);
}

static void delay_after(struct coalescer *coalescer, struct batch *batch, const struct batch *ended)
{
    int64_t us = (clock_us() - ended->started) * DELAY_TIMES;

    us = us < DELAY_MIN_US ? DELAY_MIN_US : us > DELAY_MAX_US ? DELAY_MAX_US : us;
    delay(coalescer, batch, us, batch->count + ended->count);
}

/* Returns whether a second batch of the key may run beside the first. In general one runs at a
 * time, so that a flood of one kind cannot take all database workers. A second batch of reads is
 * allowed if a database worker remains for other kinds: it keeps the database busy while the
 * first one's responses are written. */
static bool may_overlap(const struct coalescer *coalescer, const struct batch *batch)
{
    return batch->weight && !batch->writes && batch->entry->running == 1 &&
           coalescer->db_workers_up > 2;
}

/* Makes the entry's next batch ready, or delays it, if it may start: the second of two batches
 * gathers as many callers as the first has. */
static void schedule(struct coalescer *coalescer, struct key_entry *entry)
{
    struct batch *next = TAILQ_FIRST(&entry->pending);

    if (!next || next->queue)
        return;
    if (!entry->running)
        make_ready(coalescer, next);
    else if (may_overlap(coalescer, next))
        delay(coalescer, next, DELAY_MAX_US, entry->last_count);
}

static void end_delays(struct coalescer *coalescer, int64_t now)
{
    struct batch *first = NULL;

    while ((first = TAILQ_FIRST(&coalescer->delayed)) &&
           (coalescer->stopped || first->due <= now)) {
        dequeue(first);
        make_ready(coalescer, first);
    }
}

static struct batch *oldest_ready(const struct coalescer *coalescer, bool reads_only)
{
    struct batch *read = TAILQ_FIRST(&coalescer->reads);
    struct batch *write = reads_only ? NULL : TAILQ_FIRST(&coalescer->writes);

    return !read || (write && write->ready <= read->ready) ? write : read;
}

/* Waits for the next batch to start. NULL when there will be none. */
static struct batch *next_batch(struct coalescer *coalescer, bool reads_only)
{
    for (;;) {
        end_delays(coalescer, clock_us());
        struct batch *batch = oldest_ready(coalescer, reads_only);
        struct batch *delayed = TAILQ_FIRST(&coalescer->delayed);
        if (batch || (coalescer->stopped && coalescer->parked == 0))
            return batch;
        if (delayed) {
            struct timespec due = timespec_of(delayed->due);
            pthread_cond_timedwait(&coalescer->work, &coalescer->lock, &due);
        } else {
            pthread_cond_wait(&coalescer->work, &coalescer->lock);
        }
    }
}

static struct batch *batch_new(struct coalescer *coalescer, struct key_entry *entry, bool writes)
{
    struct batch *batch = xcalloc(1, sizeof *batch);

    TAILQ_INIT(&batch->waiters);
    batch->entry = entry;
    batch->writes = writes;
    if (entry)
        TAILQ_INSERT_TAIL(&entry->pending, batch, pending);
    else
        make_ready(coalescer, batch);
    return batch;
}

/* The batch for the waiter: a new one if there is none, or the last one is full. A started batch
 * has left its entry, so nobody joins it. */
static struct batch *batch_for(struct coalescer *coalescer, const struct waiter *waiter,
                               const char *key)
{
    struct key_entry *entry = key ? entry_of(coalescer, key) : NULL;
    struct batch *last = entry ? TAILQ_LAST(&entry->pending, batches) : NULL;

    if (last && last->weight + waiter->weight <= BATCH_WEIGHT_MAX)
        return last;
    return batch_new(coalescer, entry, waiter->writes);
}

static void join(struct coalescer *coalescer, struct waiter *waiter, struct batch *batch)
{
    waiter->place = batch;
    batch->count++;
    batch->weight += waiter->weight;
    if (batch->entry)
        batch->entry->weight += waiter->weight;
    TAILQ_INSERT_TAIL(&batch->waiters, waiter, next);
    if (batch->entry)
        schedule(coalescer, batch->entry);
    if (batch->queue == &coalescer->delayed && batch->count >= batch->expected) {
        dequeue(batch);
        make_ready(coalescer, batch);
    }
    TAILQ_INSERT_TAIL(&coalescer->by_age, waiter, age);
    coalescer->parked++;
}

/* Removes a batch that has not started from its entry. */
static void leave_entry(struct batch *batch)
{
    if (!batch->entry)
        return;
    TAILQ_REMOVE(&batch->entry->pending, batch, pending);
    batch->entry->weight -= batch->weight;
}

static void unpark(struct coalescer *coalescer, struct waiter *waiter)
{
    TAILQ_REMOVE(&coalescer->by_age, waiter, age);
    coalescer->parked--;
}

static void start(struct coalescer *coalescer, struct batch *batch)
{
    struct key_entry *entry = batch->entry;
    struct waiter *waiter = NULL;

    dequeue(batch);
    batch->started = clock_us();
    TAILQ_FOREACH (waiter, &batch->waiters, next)
        unpark(coalescer, waiter);
    leave_entry(batch);
    if (!entry)
        return;
    entry->running++;
    entry->last_count = batch->count;
    schedule(coalescer, entry);
}

/* Removes a batch without waiters from the coalescer. */
static void batch_withdraw(struct coalescer *coalescer, struct batch *batch)
{
    struct key_entry *entry = batch->entry;

    dequeue(batch);
    leave_entry(batch);
    if (!entry)
        return;
    schedule(coalescer, entry);
    entry_remove_if_idle(coalescer, entry);
}

/* Moves a waiter from its batch to `out`. */
static void take_out(struct coalescer *coalescer, struct waiter *waiter, struct waiters *out)
{
    struct batch *batch = waiter->place;

    unpark(coalescer, waiter);
    TAILQ_REMOVE(&batch->waiters, waiter, next);
    batch->count--;
    batch->weight -= waiter->weight;
    if (batch->entry)
        batch->entry->weight -= waiter->weight;
    TAILQ_INSERT_TAIL(out, waiter, next);
    if (TAILQ_EMPTY(&batch->waiters)) {
        batch_withdraw(coalescer, batch);
        batch_free(batch);
    }
}

/* --- public ----------------------------------------------------------------------------------- */

/* Weight stands for memory, so the weight that waits under one key is bounded too: a thousand
 * agents that empty their spools at once must not fill a worker. */
static enum err refusal(const struct coalescer *coalescer, const struct waiter *waiter,
                        const char *key)
{
    struct key_entry *entry = NULL;

    if (coalescer->stopped)
        return ERR_STOPPING;
    if (!coalescer->db_workers_up)
        return coalescer->down_reason;
    if (key)
        HASH_FIND_STR(coalescer->entries, key, entry);
    bool heavy = entry && waiter->weight && entry->weight + waiter->weight > coalescer->capacity;
    return coalescer->parked < coalescer->capacity && !heavy ? ERR_OK : ERR_BUSY;
}

enum err coalescer_park(struct coalescer *coalescer, struct waiter *waiter, const char *key)
{
    pthread_mutex_lock(&coalescer->lock);
    enum err err = refusal(coalescer, waiter, key);
    if (!err)
        join(coalescer, waiter, batch_for(coalescer, waiter, key));
    pthread_mutex_unlock(&coalescer->lock);
    return err;
}

struct batch *coalescer_take(struct coalescer *coalescer, bool reads_only)
{
    pthread_mutex_lock(&coalescer->lock);
    struct batch *batch = next_batch(coalescer, reads_only);
    if (batch)
        start(coalescer, batch);
    if (coalescer->stopped && coalescer->parked == 0)
        pthread_cond_broadcast(&coalescer->work);
    pthread_mutex_unlock(&coalescer->lock);
    return batch;
}

void coalescer_loaded(struct coalescer *coalescer, struct batch *batch)
{
    if (!batch->entry)
        return;
    pthread_mutex_lock(&coalescer->lock);
    struct batch *next = TAILQ_FIRST(&batch->entry->pending);
    batch->entry->running--;
    if (next && !next->queue)
        delay_after(coalescer, next, batch);
    entry_remove_if_idle(coalescer, batch->entry);
    batch->entry = NULL;
    pthread_mutex_unlock(&coalescer->lock);
}

void coalescer_expire(struct coalescer *coalescer, int64_t now, struct waiters *out)
{
    struct waiter *oldest = NULL;

    TAILQ_INIT(out);
    pthread_mutex_lock(&coalescer->lock);
    while ((oldest = TAILQ_FIRST(&coalescer->by_age)) && oldest->deadline < now)
        take_out(coalescer, oldest, out);
    if (coalescer->stopped && coalescer->parked == 0)
        pthread_cond_broadcast(&coalescer->work);
    pthread_mutex_unlock(&coalescer->lock);
}

void coalescer_db_worker_up(struct coalescer *coalescer)
{
    pthread_mutex_lock(&coalescer->lock);
    coalescer->db_workers_up++;
    pthread_mutex_unlock(&coalescer->lock);
}

void coalescer_db_worker_down(struct coalescer *coalescer, enum err reason, struct waiters *out)
{
    struct waiter *oldest = NULL;

    TAILQ_INIT(out);
    pthread_mutex_lock(&coalescer->lock);
    coalescer->down_reason = reason;
    if (--coalescer->db_workers_up == 0) {
        while ((oldest = TAILQ_FIRST(&coalescer->by_age)))
            take_out(coalescer, oldest, out);
    }
    if (coalescer->stopped && coalescer->parked == 0)
        pthread_cond_broadcast(&coalescer->work);
    pthread_mutex_unlock(&coalescer->lock);
}

unsigned coalescer_count(struct coalescer *coalescer, bool *db_down)
{
    pthread_mutex_lock(&coalescer->lock);
    unsigned count = coalescer->parked;
    *db_down = coalescer->db_workers_up == 0;
    pthread_mutex_unlock(&coalescer->lock);
    return count;
}

void coalescer_stop(struct coalescer *coalescer)
{
    pthread_mutex_lock(&coalescer->lock);
    coalescer->stopped = true;
    pthread_cond_broadcast(&coalescer->work);
    pthread_cond_broadcast(&coalescer->stopping);
    pthread_mutex_unlock(&coalescer->lock);
}

bool coalescer_stopped(struct coalescer *coalescer, int ms)
{
    struct timespec until = timespec_of(clock_us() + (int64_t)ms * 1000);
    pthread_mutex_lock(&coalescer->lock);
    while (!coalescer->stopped &&
           pthread_cond_timedwait(&coalescer->stopping, &coalescer->lock, &until) == 0)
        ;
    bool stopped = coalescer->stopped;
    pthread_mutex_unlock(&coalescer->lock);
    return stopped;
}
