/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/watch.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define uthash_fatal(msg) abort()
#include <uthash.h>

#include "base/xalloc.h"

/* Who waits for one key. */
struct spot {
    char *key;
    struct waiters waiters;
    UT_hash_handle hh;
};

/* A timing wheel: a waiter stands in the bucket of its time, so that a tick looks only at those
 * whose time is up. */
enum { BUCKET_MS = 200, BUCKETS = WATCH_MAX_MS / BUCKET_MS + 2 };

struct watch {
    pthread_mutex_t lock;
    struct spot *spots; /* hash by key */
    struct waiters wheel[BUCKETS];
    unsigned next_reaped; /* of the wheel */
    int64_t next_bucket;  /* the first that may hold waiters: ms / BUCKET_MS */
    unsigned parked, capacity;
    bool closed;
};

struct watch *watch_new(unsigned capacity)
{
    struct watch *watch = xcalloc(1, sizeof *watch);

    pthread_mutex_init(&watch->lock, NULL);
    for (int i = 0; i < BUCKETS; i++)
        TAILQ_INIT(&watch->wheel[i]);
    watch->next_bucket = board_now() / BUCKET_MS;
    watch->capacity = capacity;
    return watch;
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    assert(watch->parked == 0);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

/* --- the lock is held ------------------------------------------------------------------------ */

static struct waiters *bucket_of(struct watch *watch, int64_t until)
{
    return &watch->wheel[(until / BUCKET_MS) % BUCKETS];
}

static struct spot *spot_of(struct watch *watch, const char *key)
{
    struct spot *spot = NULL;

    HASH_FIND_STR(watch->spots, key, spot);
    if (!spot) {
        spot = xcalloc(1, sizeof *spot);
        spot->key = xstrdup(key);
        TAILQ_INIT(&spot->waiters);
        HASH_ADD_KEYPTR(hh, watch->spots, spot->key, strlen(spot->key), spot);
    }
    return spot;
}

static void hand_out(struct watch *watch, struct waiter *waiter, struct waiters *out)
{
    struct spot *spot = waiter->place;

    TAILQ_REMOVE(bucket_of(watch, waiter->deadline), waiter, age);
    TAILQ_REMOVE(&spot->waiters, waiter, next);
    TAILQ_INSERT_TAIL(out, waiter, next);
    watch->parked--;
    if (TAILQ_EMPTY(&spot->waiters)) {
        HASH_DEL(watch->spots, spot);
        free(spot->key);
        free(spot);
    }
}

static void hand_out_bucket(struct watch *watch, struct waiters *bucket, struct waiters *out)
{
    struct waiter *waiter = NULL;

    while ((waiter = TAILQ_FIRST(bucket)))
        hand_out(watch, waiter, out);
}

/* --- public ---------------------------------------------------------------------------------- */

bool watch_park(struct watch *watch, struct waiter *waiter, const char *key, int64_t until)
{
    pthread_mutex_lock(&watch->lock);
    bool open = !watch->closed && watch->parked < watch->capacity &&
                until / BUCKET_MS >= watch->next_bucket && until > board_now();
    if (open) {
        struct spot *spot = spot_of(watch, key);
        waiter->deadline = until;
        waiter->place = spot;
        TAILQ_INSERT_TAIL(&spot->waiters, waiter, next);
        TAILQ_INSERT_TAIL(bucket_of(watch, until), waiter, age);
        watch->parked++;
    }
    pthread_mutex_unlock(&watch->lock);
    return open;
}

void watch_wake(struct watch *watch, const char *key, struct waiters *out)
{
    struct spot *spot = NULL;
    struct waiter *waiter = NULL, *later = NULL;

    TAILQ_INIT(out);
    pthread_mutex_lock(&watch->lock);
    HASH_FIND_STR(watch->spots, key, spot);
    for (waiter = spot ? TAILQ_FIRST(&spot->waiters) : NULL; waiter; waiter = later) {
        later = TAILQ_NEXT(waiter, next);
        hand_out(watch, waiter, out); /* frees the spot with its last waiter */
    }
    pthread_mutex_unlock(&watch->lock);
}

void watch_expire(struct watch *watch, int64_t now, struct waiters *out)
{
    TAILQ_INIT(out);
    pthread_mutex_lock(&watch->lock);
    for (int round = 0; watch->next_bucket < now / BUCKET_MS && round < BUCKETS; round++)
        hand_out_bucket(watch, &watch->wheel[watch->next_bucket++ % BUCKETS], out);
    watch->next_bucket = now / BUCKET_MS;
    pthread_mutex_unlock(&watch->lock);
}

void watch_reap(struct watch *watch, bool (*gone)(const struct waiter *waiter), struct waiters *out)
{
    struct waiter *waiter = NULL, *later = NULL;

    TAILQ_INIT(out);
    pthread_mutex_lock(&watch->lock);
    for (int i = 0; i < BUCKETS / WATCH_REAP_TURNS + 1; i++) {
        struct waiters *bucket = &watch->wheel[watch->next_reaped++ % BUCKETS];
        for (waiter = TAILQ_FIRST(bucket); waiter; waiter = later) {
            later = TAILQ_NEXT(waiter, age);
            if (gone(waiter))
                hand_out(watch, waiter, out);
        }
    }
    pthread_mutex_unlock(&watch->lock);
}

void watch_close(struct watch *watch, struct waiters *out)
{
    TAILQ_INIT(out);
    pthread_mutex_lock(&watch->lock);
    watch->closed = true;
    for (int i = 0; i < BUCKETS; i++)
        hand_out_bucket(watch, &watch->wheel[i], out);
    pthread_mutex_unlock(&watch->lock);
}

void watch_keys(struct watch *watch, char ***out, size_t *count)
{
    pthread_mutex_lock(&watch->lock);
    *count = 0;
    *out = xcalloc(HASH_COUNT(watch->spots) + 1, sizeof **out);
    for (struct spot *spot = watch->spots; spot; spot = spot->hh.next)
        (*out)[(*count)++] = xstrdup(spot->key);
    pthread_mutex_unlock(&watch->lock);
}

bool watch_empty(struct watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    bool empty = watch->parked == 0;
    pthread_mutex_unlock(&watch->lock);
    return empty;
}
