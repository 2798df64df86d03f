/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/board.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define uthash_fatal(msg) abort()
#include <uthash.h>

#include "base/clock.h"
#include "base/xalloc.h"

TAILQ_HEAD(rounds, round);

/* A question, or a kind of batch: the rounds under way, and those for after them, of which the last
 * gathers waiters. */
struct slot {
    char *key;
    unsigned under_way; /* rounds: see may_overlap */
    unsigned taken;     /* waiters of the last one that was started */
    struct rounds later;
    unsigned weight; /* of all of these */
    UT_hash_handle hh;
};

/* A question rests as many times as long as its round took to ask, within these bounds: so
 * it keeps the database busy for a fifth of the time, if it is cheap, however often it is asked.
 * It rests no longer once as many wait as were answered by that round and waited at its end: of a
 * few clients all are back soon. */
enum { REST_TIMES = 4, REST_MIN_US = 1000, REST_MAX_US = 4000 };

struct board {
    pthread_mutex_t lock;
    pthread_cond_t work; /* there may be a round to take, or it stopped */
    pthread_cond_t stopping;
    struct slot *slots;          /* hash by key */
    struct rounds reads, writes; /* may be taken; oldest first */
    struct rounds resting;       /* may be taken when due; oldest first */
    struct waiters by_age;       /* all who wait, oldest first */
    unsigned parked, capacity;
    unsigned answerers_up;
    enum err shut_reason; /* while answerers_up is 0 */
    bool stopped;
};

static struct timespec timespec_of(int64_t us)
{
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

struct board *board_new(unsigned capacity)
{
    struct board *board = xcalloc(1, sizeof *board);
    pthread_condattr_t monotonic;

    pthread_mutex_init(&board->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&board->work, &monotonic);
    pthread_cond_init(&board->stopping, &monotonic);
    pthread_condattr_destroy(&monotonic);
    TAILQ_INIT(&board->reads);
    TAILQ_INIT(&board->writes);
    TAILQ_INIT(&board->resting);
    TAILQ_INIT(&board->by_age);
    board->capacity = capacity;
    board->shut_reason = ERR_DB_AWAY;
    return board;
}

void board_free(struct board *board)
{
    if (!board)
        return;
    assert(TAILQ_EMPTY(&board->by_age));
    pthread_cond_destroy(&board->work);
    pthread_cond_destroy(&board->stopping);
    pthread_mutex_destroy(&board->lock);
    free(board);
}

void round_free(struct round *round)
{
    free(round);
}

/* --- slots; the lock is held from here on down to the public functions ----------------------- */

static struct slot *slot_of(struct board *board, const char *key)
{
    struct slot *slot = NULL;

    HASH_FIND_STR(board->slots, key, slot);
    if (!slot) {
        slot = xcalloc(1, sizeof *slot);
        slot->key = xstrdup(key);
        TAILQ_INIT(&slot->later);
        HASH_ADD_KEYPTR(hh, board->slots, slot->key, strlen(slot->key), slot);
    }
    return slot;
}

static void slot_drop_if_idle(struct board *board, struct slot *slot)
{
    if (slot->under_way || !TAILQ_EMPTY(&slot->later))
        return;
    HASH_DEL(board->slots, slot);
    free(slot->key);
    free(slot);
}

static void enqueue(struct rounds *queue, struct round *round)
{
    round->queue = queue;
    TAILQ_INSERT_TAIL(queue, round, next);
}

static void dequeue(struct round *round)
{
    if (round->queue)
        TAILQ_REMOVE(round->queue, round, next);
    round->queue = NULL;
}

/* Whoever is woken for a round that writes may be one that only reads. */
static void make_ready(struct board *board, struct round *round)
{
    round->ready = clock_us();
    enqueue(round->writes ? &board->writes : &board->reads, round);
    if (round->writes)
        pthread_cond_broadcast(&board->work);
    else
        pthread_cond_signal(&board->work);
}

static void rest(struct board *board, struct round *round, int64_t us, unsigned enough)
{
    round->due = clock_us() + us;
    round->enough = enough;
    enqueue(&board->resting, round);
    pthread_cond_broadcast(&board->work);
}

static void rest_after(struct board *board, struct round *round, const struct round *ended)
{
    int64_t us = (clock_us() - ended->started) * REST_TIMES;

    us = us < REST_MIN_US ? REST_MIN_US : us > REST_MAX_US ? REST_MAX_US : us;
    rest(board, round, us, round->count + ended->count);
}

/* One round of a kind at a time, so that no flood of one kind keeps all answerers from the others:
 * except for batches of reads, of which a second round of the same size keeps the database busy
 * while answers are written, if there is an answerer left for other kinds. */
static bool may_overlap(const struct board *board, const struct round *round)
{
    return round->weight && !round->writes && round->slot->under_way == 1 &&
           board->answerers_up > 2;
}

/* Lets the next round start if it may. */
static void schedule(struct board *board, struct slot *slot)
{
    struct round *next = TAILQ_FIRST(&slot->later);

    if (!next || next->queue)
        return;
    if (!slot->under_way)
        make_ready(board, next);
    else if (may_overlap(board, next))
        rest(board, next, REST_MAX_US, slot->taken);
}

static void end_rests(struct board *board, int64_t now)
{
    struct round *first = NULL;

    while ((first = TAILQ_FIRST(&board->resting)) && (board->stopped || first->due <= now)) {
        dequeue(first);
        make_ready(board, first);
    }
}

static struct round *oldest_ready(const struct board *board, bool reads_only)
{
    struct round *read = TAILQ_FIRST(&board->reads);
    struct round *write = reads_only ? NULL : TAILQ_FIRST(&board->writes);

    return !read || (write && write->ready <= read->ready) ? write : read;
}

/* The next round to start; waits for it. NULL when there will be none. */
static struct round *next_round(struct board *board, bool reads_only)
{
    for (;;) {
        end_rests(board, clock_us());
        struct round *round = oldest_ready(board, reads_only);
        struct round *resting = TAILQ_FIRST(&board->resting);
        if (round || (board->stopped && board->parked == 0))
            return round;
        if (resting) {
            struct timespec due = timespec_of(resting->due);
            pthread_cond_timedwait(&board->work, &board->lock, &due);
        } else {
            pthread_cond_wait(&board->work, &board->lock);
        }
    }
}

static struct round *round_new(struct board *board, struct slot *slot, bool writes)
{
    struct round *round = xcalloc(1, sizeof *round);

    TAILQ_INIT(&round->waiters);
    round->slot = slot;
    round->writes = writes;
    if (slot)
        TAILQ_INSERT_TAIL(&slot->later, round, later);
    else
        make_ready(board, round);
    return round;
}

/* The round that the waiter joins: a new one when there is none, or the batch is full. */
static struct round *round_for(struct board *board, const struct waiter *waiter, const char *key)
{
    struct slot *slot = key ? slot_of(board, key) : NULL;
    struct round *last = slot ? TAILQ_LAST(&slot->later, rounds) : NULL;

    if (last && last->weight + waiter->weight <= ROUND_WEIGHT)
        return last;
    return round_new(board, slot, waiter->writes);
}

static void join(struct board *board, struct waiter *waiter, struct round *round)
{
    waiter->place = round;
    round->count++;
    round->weight += waiter->weight;
    if (round->slot)
        round->slot->weight += waiter->weight;
    TAILQ_INSERT_TAIL(&round->waiters, waiter, next);
    if (round->slot)
        schedule(board, round->slot);
    if (round->queue == &board->resting && round->count >= round->enough) {
        dequeue(round);
        make_ready(board, round);
    }
    TAILQ_INSERT_TAIL(&board->by_age, waiter, age);
    board->parked++;
}

/* Takes a round that has not started off its slot's list. */
static void leave_slot(struct round *round)
{
    if (!round->slot)
        return;
    TAILQ_REMOVE(&round->slot->later, round, later);
    round->slot->weight -= round->weight;
}

static void forget(struct board *board, struct waiter *waiter)
{
    TAILQ_REMOVE(&board->by_age, waiter, age);
    board->parked--;
}

static void start(struct board *board, struct round *round)
{
    struct slot *slot = round->slot;
    struct waiter *waiter = NULL;

    dequeue(round);
    round->started = clock_us();
    TAILQ_FOREACH (waiter, &round->waiters, next)
        forget(board, waiter);
    leave_slot(round);
    if (!slot)
        return;
    slot->under_way++;
    slot->taken = round->count;
    schedule(board, slot);
}

/* Takes a round that nobody waits for any more off the board. */
static void round_withdraw(struct board *board, struct round *round)
{
    struct slot *slot = round->slot;

    dequeue(round);
    leave_slot(round);
    if (!slot)
        return;
    schedule(board, slot);
    slot_drop_if_idle(board, slot);
}

/* Moves a waiter from its round to `out`. */
static void expel(struct board *board, struct waiter *waiter, struct waiters *out)
{
    struct round *round = waiter->place;

    forget(board, waiter);
    TAILQ_REMOVE(&round->waiters, waiter, next);
    round->count--;
    round->weight -= waiter->weight;
    if (round->slot)
        round->slot->weight -= waiter->weight;
    TAILQ_INSERT_TAIL(out, waiter, next);
    if (TAILQ_EMPTY(&round->waiters)) {
        round_withdraw(board, round);
        round_free(round);
    }
}

/* --- public ---------------------------------------------------------------------------------- */

/* A heavy waiter stands for much memory: so what waits under one key is bounded by its weight, too.
 */
static enum err refusal(const struct board *board, const struct waiter *waiter, const char *key)
{
    struct slot *slot = NULL;

    if (board->stopped)
        return ERR_STOPPING;
    if (!board->answerers_up)
        return board->shut_reason;
    if (key)
        HASH_FIND_STR(board->slots, key, slot);
    bool heavy = slot && waiter->weight && slot->weight + waiter->weight > board->capacity;
    return board->parked < board->capacity && !heavy ? ERR_OK : ERR_BUSY;
}

enum err board_park(struct board *board, struct waiter *waiter, const char *key)
{
    pthread_mutex_lock(&board->lock);
    enum err err = refusal(board, waiter, key);
    if (!err)
        join(board, waiter, round_for(board, waiter, key));
    pthread_mutex_unlock(&board->lock);
    return err;
}

struct round *board_take(struct board *board, bool reads_only)
{
    pthread_mutex_lock(&board->lock);
    struct round *round = next_round(board, reads_only);
    if (round)
        start(board, round);
    if (board->stopped && board->parked == 0)
        pthread_cond_broadcast(&board->work);
    pthread_mutex_unlock(&board->lock);
    return round;
}

void board_asked(struct board *board, struct round *round)
{
    if (!round->slot)
        return;
    pthread_mutex_lock(&board->lock);
    struct round *next = TAILQ_FIRST(&round->slot->later);
    round->slot->under_way--;
    if (next && !next->queue)
        rest_after(board, next, round);
    slot_drop_if_idle(board, round->slot);
    round->slot = NULL;
    pthread_mutex_unlock(&board->lock);
}

void board_expire(struct board *board, int64_t now, struct waiters *out)
{
    struct waiter *oldest = NULL;

    TAILQ_INIT(out);
    pthread_mutex_lock(&board->lock);
    while ((oldest = TAILQ_FIRST(&board->by_age)) && oldest->deadline < now)
        expel(board, oldest, out);
    if (board->stopped && board->parked == 0)
        pthread_cond_broadcast(&board->work);
    pthread_mutex_unlock(&board->lock);
}

void board_answerer_up(struct board *board)
{
    pthread_mutex_lock(&board->lock);
    board->answerers_up++;
    pthread_mutex_unlock(&board->lock);
}

void board_answerer_down(struct board *board, enum err reason, struct waiters *out)
{
    struct waiter *oldest = NULL;

    TAILQ_INIT(out);
    pthread_mutex_lock(&board->lock);
    board->shut_reason = reason;
    if (--board->answerers_up == 0) {
        while ((oldest = TAILQ_FIRST(&board->by_age)))
            expel(board, oldest, out);
    }
    if (board->stopped && board->parked == 0)
        pthread_cond_broadcast(&board->work);
    pthread_mutex_unlock(&board->lock);
}

unsigned board_count(struct board *board, bool *shut)
{
    pthread_mutex_lock(&board->lock);
    unsigned count = board->parked;
    *shut = board->answerers_up == 0;
    pthread_mutex_unlock(&board->lock);
    return count;
}

void board_stop(struct board *board)
{
    pthread_mutex_lock(&board->lock);
    board->stopped = true;
    pthread_cond_broadcast(&board->work);
    pthread_cond_broadcast(&board->stopping);
    pthread_mutex_unlock(&board->lock);
}

bool board_stopped(struct board *board, int ms)
{
    struct timespec until = timespec_of(clock_us() + (int64_t)ms * 1000);
    pthread_mutex_lock(&board->lock);
    while (!board->stopped && pthread_cond_timedwait(&board->stopping, &board->lock, &until) == 0)
        ;
    bool stopped = board->stopped;
    pthread_mutex_unlock(&board->lock);
    return stopped;
}
