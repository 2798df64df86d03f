/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/waitlist.h"

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

struct waitlist {
    pthread_mutex_t lock;
    struct spot *spots;   /* hash by key */
    struct owner *owners; /* hash by name */
    struct waiters wheel[BUCKETS];
    int64_t next_bucket; /* the first that may hold waiters: ms / BUCKET_MS */
    unsigned parked, capacity;
    bool closed;
};

struct waitlist *waitlist_new(unsigned capacity)
{
    struct waitlist *waitlist = xcalloc(1, sizeof *waitlist);

    pthread_mutex_init(&waitlist->lock, NULL);
    for (int i = 0; i < BUCKETS; i++)
        TAILQ_INIT(&waitlist->wheel[i]);
    waitlist->next_bucket = clock_ms() / BUCKET_MS;
    waitlist->capacity = capacity;
    return waitlist;
}

void waitlist_free(struct waitlist *waitlist)
{
    if (!waitlist)
        return;
    assert(waitlist->parked == 0);
    pthread_mutex_destroy(&waitlist->lock);
    free(waitlist);
}

/* --- the lock is held ------------------------------------------------------------------------ */

static struct waiters *bucket_of(struct waitlist *waitlist, int64_t until)
{
    return &waitlist->wheel[(until / BUCKET_MS) % BUCKETS];
}

static struct spot *spot_of(struct waitlist *waitlist, const char *key)
{
    struct spot *spot = NULL;

    HASH_FIND_STR(waitlist->spots, key, spot);
    if (!spot) {
        spot = xcalloc(1, sizeof *spot);
        spot->key = xstrdup(key);
        TAILQ_INIT(&spot->waiters);
        HASH_ADD_KEYPTR(hh, waitlist->spots, spot->key, strlen(spot->key), spot);
    }
    return spot;
}

static void leave_spot(struct waitlist *waitlist, struct waiter *waiter)
{
    struct spot *spot = waiter->place;

    TAILQ_REMOVE(&spot->waiters, waiter, next);
    if (!TAILQ_EMPTY(&spot->waiters))
        return;
    HASH_DEL(waitlist->spots, spot);
    free(spot->key);
    free(spot);
}

static void give_place_back(struct waitlist *waitlist, struct owner *owner)
{
    if (!owner || --owner->places > 0)
        return;
    HASH_DEL(waitlist->owners, owner);
    free(owner->name);
    free(owner);
}

static void hand_out(struct waitlist *waitlist, struct waiter *waiter, struct waiters *out)
{
    TAILQ_REMOVE(bucket_of(waitlist, waiter->deadline), waiter, age);
    leave_spot(waitlist, waiter);
    give_place_back(waitlist, waiter->owner);
    TAILQ_INSERT_TAIL(out, waiter, next);
    waiter->watched = false;
    waitlist->parked--;
}

static void hand_out_bucket(struct waitlist *waitlist, struct waiters *bucket, struct waiters *out)
{
    struct waiter *waiter = NULL;

    while ((waiter = TAILQ_FIRST(bucket)))
        hand_out(waitlist, waiter, out);
}

static struct waiter *first_of(struct waitlist *waitlist, const char *key)
{
    struct spot *spot = NULL;

    HASH_FIND_STR(waitlist->spots, key, spot);
    return spot ? TAILQ_FIRST(&spot->waiters) : NULL;
}

static void hand_out_spot(struct waitlist *waitlist, const char *key, struct waiters *out)
{
    struct waiter *waiter = NULL, *later = NULL;

    for (waiter = first_of(waitlist, key); waiter; waiter = later) {
        later = TAILQ_NEXT(waiter, next);
        hand_out(waitlist, waiter, out); /* frees the spot with its last waiter */
    }
}

static bool may_park(const struct waitlist *waitlist, const struct waiter *waiter, int64_t until)
{
    return !waitlist->closed && !waiter->gone && until / BUCKET_MS >= waitlist->next_bucket &&
           until > clock_ms();
}

/* NULL when the owner has its share: so many that others find as many places again. */
static struct owner *take_place(struct waitlist *waitlist, const char *name)
{
    struct owner *owner = NULL;

    HASH_FIND_STR(waitlist->owners, name, owner);
    unsigned places = owner ? owner->places : 0;
    unsigned left_by_others = waitlist->capacity - (waitlist->parked - places);
    if (places >= (left_by_others + 1) / 2)
        return NULL;
    if (!owner) {
        owner = xcalloc(1, sizeof *owner);
        owner->name = xstrdup(name);
        HASH_ADD_KEYPTR(hh, waitlist->owners, owner->name, strlen(owner->name), owner);
    }
    owner->places++;
    return owner;
}

static void insert(struct waitlist *waitlist, struct waiter *waiter, const char *key, int64_t until)
{
    struct spot *spot = spot_of(waitlist, key);

    waiter->deadline = until;
    waiter->place = spot;
    waiter->watched = true;
    TAILQ_INSERT_TAIL(&spot->waiters, waiter, next);
    TAILQ_INSERT_TAIL(bucket_of(waitlist, until), waiter, age);
    waitlist->parked++;
}

/* --- public ---------------------------------------------------------------------------------- */

bool waitlist_park(struct waitlist *waitlist, struct waiter *waiter, const char *key,
                   const char *owner, int64_t until)
{
    pthread_mutex_lock(&waitlist->lock);
    bool open = may_park(waitlist, waiter, until) && waitlist->parked < waitlist->capacity;
    waiter->owner = open ? take_place(waitlist, owner) : NULL;
    if (waiter->owner)
        insert(waitlist, waiter, key, until);
    open = waiter->owner != NULL;
    pthread_mutex_unlock(&waitlist->lock);
    return open;
}

bool waitlist_park_newest(struct waitlist *waitlist, struct waiter *waiter, const char *key,
                          int64_t until, struct waiters *older)
{
    TAILQ_INIT(older);
    pthread_mutex_lock(&waitlist->lock);
    struct waiter *other = first_of(waitlist, key);
    bool open = may_park(waitlist, waiter, until) && (!other || other->since <= waiter->since);
    if (open)
        hand_out_spot(waitlist, key, older);
    open = open && waitlist->parked < waitlist->capacity;
    if (open) {
        waiter->owner = NULL;
        insert(waitlist, waiter, key, until);
    }
    pthread_mutex_unlock(&waitlist->lock);
    return open;
}

void waitlist_wake(struct waitlist *waitlist, const char *key, struct waiters *out)
{
    TAILQ_INIT(out);
    pthread_mutex_lock(&waitlist->lock);
    hand_out_spot(waitlist, key, out);
    pthread_mutex_unlock(&waitlist->lock);
}

void waitlist_expire(struct waitlist *waitlist, int64_t now, struct waiters *out)
{
    TAILQ_INIT(out);
    pthread_mutex_lock(&waitlist->lock);
    for (int batch = 0; waitlist->next_bucket < now / BUCKET_MS && batch < BUCKETS; batch++)
        hand_out_bucket(waitlist, &waitlist->wheel[waitlist->next_bucket++ % BUCKETS], out);
    waitlist->next_bucket = now / BUCKET_MS;
    pthread_mutex_unlock(&waitlist->lock);
}

bool waitlist_abandon(struct waitlist *waitlist, struct waiter *waiter)
{
    struct waiters out;

    TAILQ_INIT(&out);
    pthread_mutex_lock(&waitlist->lock);
    bool parked = waiter->watched;
    if (parked)
        hand_out(waitlist, waiter, &out);
    waiter->gone = true;
    pthread_mutex_unlock(&waitlist->lock);
    return parked;
}

void waitlist_close(struct waitlist *waitlist, struct waiters *out)
{
    TAILQ_INIT(out);
    pthread_mutex_lock(&waitlist->lock);
    waitlist->closed = true;
    for (int i = 0; i < BUCKETS; i++)
        hand_out_bucket(waitlist, &waitlist->wheel[i], out);
    pthread_mutex_unlock(&waitlist->lock);
}

void waitlist_keys(struct waitlist *waitlist, char ***out, size_t *count)
{
    pthread_mutex_lock(&waitlist->lock);
    *count = 0;
    *out = xcalloc(HASH_COUNT(waitlist->spots) + 1, sizeof **out);
    for (struct spot *spot = waitlist->spots; spot; spot = spot->hh.next)
        (*out)[(*count)++] = xstrdup(spot->key);
    pthread_mutex_unlock(&waitlist->lock);
}

unsigned waitlist_count(struct waitlist *waitlist)
{
    pthread_mutex_lock(&waitlist->lock);
    unsigned count = waitlist->parked;
    pthread_mutex_unlock(&waitlist->lock);
    return count;
}
