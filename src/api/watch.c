/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/watch.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define uthash_fatal(msg) abort()
#include <uthash.h>

#include "base/clock.h"
#include "base/xalloc.h"

/* Who waits for one key. */
struct spot {
    char *key;
    struct waiters waiters;
    UT_hash_handle hh;
};

/* Who has places. */
struct owner {
    char *name;
    unsigned places;
    UT_hash_handle hh;
};

/* A timing wheel: a waiter stands in the bucket of its time, so that a tick looks only at those
 * whose time is up. */
enum { BUCKET_MS = 200, BUCKETS = WATCH_MAX_MS / BUCKET_MS + 2 };

struct watch {
    pthread_mutex_t lock;
    struct spot *spots;   /* hash by key */
    struct owner *owners; /* hash by name */
    struct waiters wheel[BUCKETS];
    int64_t next_bucket; /* the first that may hold waiters: ms / BUCKET_MS */
    unsigned parked, capacity;
    bool closed;
};

struct watch *watch_new(unsigned capacity)
{
    struct watch *watch = xcalloc(1, sizeof *watch);

    pthread_mutex_init(&watch->lock, NULL);
    for (int i = 0; i < BUCKETS; i++)
        TAILQ_INIT(&watch->wheel[i]);
    watch->next_bucket = clock_ms() / BUCKET_MS;
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

static void leave_spot(struct watch *watch, struct waiter *waiter)
{
    struct spot *spot = waiter->place;

    TAILQ_REMOVE(&spot->waiters, waiter, next);
    if (!TAILQ_EMPTY(&spot->waiters))
        return;
    HASH_DEL(watch->spots, spot);
    free(spot->key);
    free(spot);
}

static void give_place_back(struct watch *watch, struct owner *owner)
{
    if (!owner || --owner->places > 0)
        return;
    HASH_DEL(watch->owners, owner);
    free(owner->name);
    free(owner);
}

static void hand_out(struct watch *watch, struct waiter *waiter, struct waiters *out)
{
    TAILQ_REMOVE(bucket_of(watch, waiter->deadline), waiter, age);
    leave_spot(watch, waiter);
    give_place_back(watch, waiter->owner);
    TAILQ_INSERT_TAIL(out, waiter, next);
    waiter->watched = false;
    watch->parked--;
}

static void hand_out_bucket(struct watch *watch, struct waiters *bucket, struct waiters *out)
{
    struct waiter *waiter = NULL;

    while ((waiter = TAILQ_FIRST(bucket)))
        hand_out(watch, waiter, out);
}

static struct waiter *first_of(struct watch *watch, const char *key)
{
    struct spot *spot = NULL;

    HASH_FIND_STR(watch->spots, key, spot);
    return spot ? TAILQ_FIRST(&spot->waiters) : NULL;
}

static void hand_out_spot(struct watch *watch, const char *key, struct waiters *out)
{
    struct waiter *waiter = NULL, *later = NULL;

    for (waiter = first_of(watch, key); waiter; waiter = later) {
        later = TAILQ_NEXT(waiter, next);
        hand_out(watch, waiter, out); /* frees the spot with its last waiter */
    }
}

static bool may_park(const struct watch *watch, const struct waiter *waiter, int64_t until)
{
    return !watch->closed && !waiter->gone && until / BUCKET_MS >= watch->next_bucket && until > clock_ms();
}

/* NULL when the owner has its share: so many that others find as many places again. */
static struct owner *take_place(struct watch *watch, const char *name)
{
    struct owner *owner = NULL;

    HASH_FIND_STR(watch->owners, name, owner);
    unsigned places = owner ? owner->places : 0;
    unsigned left_by_others = watch->capacity - (watch->parked - places);
    if (places >= (left_by_others + 1) / 2)
        return NULL;
    if (!owner) {
        owner = xcalloc(1, sizeof *owner);
        owner->name = xstrdup(name);
        HASH_ADD_KEYPTR(hh, watch->owners, owner->name, strlen(owner->name), owner);
    }
    owner->places++;
    return owner;
}

static void insert(struct watch *watch, struct waiter *waiter, const char *key, int64_t until)
{
    struct spot *spot = spot_of(watch, key);

    waiter->deadline = until;
    waiter->place = spot;
    waiter->watched = true;
    TAILQ_INSERT_TAIL(&spot->waiters, waiter, next);
    TAILQ_INSERT_TAIL(bucket_of(watch, until), waiter, age);
    watch->parked++;
}

/* --- public ---------------------------------------------------------------------------------- */

bool watch_park(struct watch *watch, struct waiter *waiter, const char *key, const char *owner,
                int64_t until)
{
    pthread_mutex_lock(&watch->lock);
    bool open = may_park(watch, waiter, until) && watch->parked < watch->capacity;
    waiter->owner = open ? take_place(watch, owner) : NULL;
    if (waiter->owner)
        insert(watch, waiter, key, until);
    open = waiter->owner != NULL;
    pthread_mutex_unlock(&watch->lock);
    return open;
}

bool watch_park_newest(struct watch *watch, struct waiter *waiter, const char *key, int64_t until,
                       struct waiters *older)
{
    TAILQ_INIT(older);
    pthread_mutex_lock(&watch->lock);
    struct waiter *other = first_of(watch, key);
    bool open = may_park(watch, waiter, until) && (!other || other->since <= waiter->since);
    if (open)
        hand_out_spot(watch, key, older);
    open = open && watch->parked < watch->capacity;
    if (open) {
        waiter->owner = NULL;
        insert(watch, waiter, key, until);
    }
    pthread_mutex_unlock(&watch->lock);
    return open;
}

void watch_wake(struct watch *watch, const char *key, struct waiters *out)
{
    TAILQ_INIT(out);
    pthread_mutex_lock(&watch->lock);
    hand_out_spot(watch, key, out);
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

bool watch_abandon(struct watch *watch, struct waiter *waiter)
{
    struct waiters out;

    TAILQ_INIT(&out);
    pthread_mutex_lock(&watch->lock);
    bool parked = waiter->watched;
    if (parked)
        hand_out(watch, waiter, &out);
    waiter->gone = true;
    pthread_mutex_unlock(&watch->lock);
    return parked;
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

unsigned watch_count(struct watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    unsigned count = watch->parked;
    pthread_mutex_unlock(&watch->lock);
    return count;
}
