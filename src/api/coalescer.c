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

/* A call, or a kind of batch: the batches under way, and those for after them, of which the last
 * gathers waiters. */
struct slot {
    char *key;
    unsigned under_way; /* batches: see may_overlap */
    unsigned taken;     /* waiters of the last one that was started */
    struct batches later;
    unsigned weight; /* of all of these */
    UT_hash_handle hh;
};

/* A call rests as many times as long as its batch took to ask, within these bounds: so
 * it keeps the database busy for a fifth of the time, if it is cheap, however often it is asked.
 * It rests no longer once as many wait as were answered by that batch and waited at its end: of a
 * few clients all are back soon. */
enum { REST_TIMES = 4, REST_MIN_US = 1000, REST_MAX_US = 4000 };

struct coalescer {
    pthread_mutex_t lock;
    pthread_cond_t work; /* there may be a batch to take, or it stopped */
    pthread_cond_t stopping;
    struct slot *slots;           /* hash by key */
    struct batches reads, writes; /* may be taken; oldest first */
    struct batches resting;       /* may be taken when due; oldest first */
    struct waiters by_age;        /* all who wait, oldest first */
    unsigned parked, capacity;
    unsigned db_workers_up;
    enum err shut_reason; /* while db_workers_up is 0 */
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
    TAILQ_INIT(&coalescer->resting);
    TAILQ_INIT(&coalescer->by_age);
    coalescer->capacity = capacity;
    coalescer->shut_reason = ERR_DB_AWAY;
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

/* --- slots; the lock is held from here on down to the public functions ----------------------- */

static struct slot *slot_of(struct coalescer *coalescer, const char *key)
{
    struct slot *slot = NULL;

    HASH_FIND_STR(coalescer->slots, key, slot);
    if (!slot) {
        slot = xcalloc(1, sizeof *slot);
        slot->key = xstrdup(key);
        TAILQ_INIT(&slot->later);
        HASH_ADD_KEYPTR(hh, coalescer->slots, slot->key, strlen(slot->key), slot);
    }
    return slot;
}

static void entry_remove_if_idle(struct coalescer *coalescer, struct slot *slot)
{
    if (slot->under_way || !TAILQ_EMPTY(&slot->later))
        return;
    HASH_DEL(coalescer->slots, slot);
    free(slot->key);
    free(slot);
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

/* Whoever is woken for a batch that writes may be one that only reads. */
static void make_ready(struct coalescer *coalescer, struct batch *batch)
{
    batch->ready = clock_us();
    enqueue(batch->writes ? &coalescer->writes : &coalescer->reads, batch);
    if (batch->writes)
        pthread_cond_broadcast(&coalescer->work);
    else
        pthread_cond_signal(&coalescer->work);
}

static void rest(struct coalescer *coalescer, struct batch *batch, int64_t us, unsigned enough)
{
    batch->due = clock_us() + us;
    batch->enough = enough;
    enqueue(&coalescer->resting, batch);
    pthread_cond_broadcast(&coalescer->work);
}

static void rest_after(struct coalescer *coalescer, struct batch *batch, const struct batch *ended)
{
    int64_t us = (clock_us() - ended->started) * REST_TIMES;

    us = us < REST_MIN_US ? REST_MIN_US : us > REST_MAX_US ? REST_MAX_US : us;
    rest(coalescer, batch, us, batch->count + ended->count);
}

/* One batch of a kind at a time, so that no flood of one kind keeps all database workers from the
 * others: except for batches of reads, of which a second batch of the same size keeps the database
 * busy while answers are written, if there is an database worker left for other kinds. */
static bool may_overlap(const struct coalescer *coalescer, const struct batch *batch)
{
    return batch->weight && !batch->writes && batch->slot->under_way == 1 &&
           coalescer->db_workers_up > 2;
}

/* Lets the next batch start if it may. */
static void schedule(struct coalescer *coalescer, struct slot *slot)
{
    struct batch *next = TAILQ_FIRST(&slot->later);

    if (!next || next->queue)
        return;
    if (!slot->under_way)
        make_ready(coalescer, next);
    else if (may_overlap(coalescer, next))
        rest(coalescer, next, REST_MAX_US, slot->taken);
}

static void end_rests(struct coalescer *coalescer, int64_t now)
{
    struct batch *first = NULL;

    while ((first = TAILQ_FIRST(&coalescer->resting)) &&
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

/* The next batch to start; waits for it. NULL when there will be none. */
static struct batch *next_batch(struct coalescer *coalescer, bool reads_only)
{
    for (;;) {
        end_rests(coalescer, clock_us());
        struct batch *batch = oldest_ready(coalescer, reads_only);
        struct batch *resting = TAILQ_FIRST(&coalescer->resting);
        if (batch || (coalescer->stopped && coalescer->parked == 0))
            return batch;
        if (resting) {
            struct timespec due = timespec_of(resting->due);
            pthread_cond_timedwait(&coalescer->work, &coalescer->lock, &due);
        } else {
            pthread_cond_wait(&coalescer->work, &coalescer->lock);
        }
    }
}

static struct batch *batch_new(struct coalescer *coalescer, struct slot *slot, bool writes)
{
    struct batch *batch = xcalloc(1, sizeof *batch);

    TAILQ_INIT(&batch->waiters);
    batch->slot = slot;
    batch->writes = writes;
    if (slot)
        TAILQ_INSERT_TAIL(&slot->later, batch, later);
    else
        make_ready(coalescer, batch);
    return batch;
}

/* The batch that the waiter joins: a new one when there is none, or the batch is full. */
static struct batch *batch_for(struct coalescer *coalescer, const struct waiter *waiter,
                               const char *key)
{
    struct slot *slot = key ? slot_of(coalescer, key) : NULL;
    struct batch *last = slot ? TAILQ_LAST(&slot->later, batches) : NULL;

    if (last && last->weight + waiter->weight <= ROUND_WEIGHT)
        return last;
    return batch_new(coalescer, slot, waiter->writes);
}

static void join(struct coalescer *coalescer, struct waiter *waiter, struct batch *batch)
{
    waiter->place = batch;
    batch->count++;
    batch->weight += waiter->weight;
    if (batch->slot)
        batch->slot->weight += waiter->weight;
    TAILQ_INSERT_TAIL(&batch->waiters, waiter, next);
    if (batch->slot)
        schedule(coalescer, batch->slot);
    if (batch->queue == &coalescer->resting && batch->count >= batch->enough) {
        dequeue(batch);
        make_ready(coalescer, batch);
    }
    TAILQ_INSERT_TAIL(&coalescer->by_age, waiter, age);
    coalescer->parked++;
}

/* Takes a batch that has not started off its slot's list. */
static void leave_slot(struct batch *batch)
{
    if (!batch->slot)
        return;
    TAILQ_REMOVE(&batch->slot->later, batch, later);
    batch->slot->weight -= batch->weight;
}

static void forget(struct coalescer *coalescer, struct waiter *waiter)
{
    TAILQ_REMOVE(&coalescer->by_age, waiter, age);
    coalescer->parked--;
}

static void start(struct coalescer *coalescer, struct batch *batch)
{
    struct slot *slot = batch->slot;
    struct waiter *waiter = NULL;

    dequeue(batch);
    batch->started = clock_us();
    TAILQ_FOREACH (waiter, &batch->waiters, next)
        forget(coalescer, waiter);
    leave_slot(batch);
    if (!slot)
        return;
    slot->under_way++;
    slot->taken = batch->count;
    schedule(coalescer, slot);
}

/* Takes a batch that nobody waits for any more off the coalescer. */
static void batch_withdraw(struct coalescer *coalescer, struct batch *batch)
{
    struct slot *slot = batch->slot;

    dequeue(batch);
    leave_slot(batch);
    if (!slot)
        return;
    schedule(coalescer, slot);
    entry_remove_if_idle(coalescer, slot);
}

/* Moves a waiter from its batch to `out`. */
static void expel(struct coalescer *coalescer, struct waiter *waiter, struct waiters *out)
{
    struct batch *batch = waiter->place;

    forget(coalescer, waiter);
    TAILQ_REMOVE(&batch->waiters, waiter, next);
    batch->count--;
    batch->weight -= waiter->weight;
    if (batch->slot)
        batch->slot->weight -= waiter->weight;
    TAILQ_INSERT_TAIL(out, waiter, next);
    if (TAILQ_EMPTY(&batch->waiters)) {
        batch_withdraw(coalescer, batch);
        batch_free(batch);
    }
}

/* --- public ---------------------------------------------------------------------------------- */

/* A heavy waiter stands for much memory: so what waits under one key is bounded by its weight, too.
 */
static enum err refusal(const struct coalescer *coalescer, const struct waiter *waiter,
                        const char *key)
{
    struct slot *slot = NULL;

    if (coalescer->stopped)
        return ERR_STOPPING;
    if (!coalescer->db_workers_up)
        return coalescer->shut_reason;
    if (key)
        HASH_FIND_STR(coalescer->slots, key, slot);
    bool heavy = slot && waiter->weight && slot->weight + waiter->weight > coalescer->capacity;
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
    if (!batch->slot)
        return;
    pthread_mutex_lock(&coalescer->lock);
    struct batch *next = TAILQ_FIRST(&batch->slot->later);
    batch->slot->under_way--;
    if (next && !next->queue)
        rest_after(coalescer, next, batch);
    entry_remove_if_idle(coalescer, batch->slot);
    batch->slot = NULL;
    pthread_mutex_unlock(&coalescer->lock);
}

void coalescer_expire(struct coalescer *coalescer, int64_t now, struct waiters *out)
{
    struct waiter *oldest = NULL;

    TAILQ_INIT(out);
    pthread_mutex_lock(&coalescer->lock);
    while ((oldest = TAILQ_FIRST(&coalescer->by_age)) && oldest->deadline < now)
        expel(coalescer, oldest, out);
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
    coalescer->shut_reason = reason;
    if (--coalescer->db_workers_up == 0) {
        while ((oldest = TAILQ_FIRST(&coalescer->by_age)))
            expel(coalescer, oldest, out);
    }
    if (coalescer->stopped && coalescer->parked == 0)
        pthread_cond_broadcast(&coalescer->work);
    pthread_mutex_unlock(&coalescer->lock);
}

unsigned coalescer_count(struct coalescer *coalescer, bool *shut)
{
    pthread_mutex_lock(&coalescer->lock);
    unsigned count = coalescer->parked;
    *shut = coalescer->db_workers_up == 0;
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
