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

/* The waiters of one key. */
struct entry {
    char *key;
    struct waiters waiters;
    UT_hash_handle hh;
};

/* An owner of waiters, such as a user. */
struct owner {
    char *name;
    unsigned places;
    UT_hash_handle hh;
};

/* A timing wheel: each waiter sits in the bucket of its time, so that a tick only visits those
 * whose time is over. */
enum { BUCKET_MS = 200, BUCKETS = WAITLIST_MAX_MS / BUCKET_MS + 2 };

struct waitlist {
    pthread_mutex_t lock;
    struct entry *entries; /* hash by key */
    struct owner *owners;  /* hash by name */
    struct waiters wheel[BUCKETS];
    int64_t next_bucket; /* first bucket that may hold waiters, as ms / BUCKET_MS */
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

/* --- internal; the caller holds the lock ------------------------------------------------------ */

/* The wheel is one bucket longer than the longest wait, plus the one in progress, so no bucket
 * holds two rounds of the wheel. */
static struct waiters *bucket_of(struct waitlist *waitlist, int64_t until)
{
    return &waitlist->wheel[(until / BUCKET_MS) % BUCKETS];
}

static struct entry *entry_of(struct waitlist *waitlist, const char *key)
{
    struct entry *entry = NULL;

    HASH_FIND_STR(waitlist->entries, key, entry);
    if (!entry) {
        entry = xcalloc(1, sizeof *entry);
        entry->key = xstrdup(key);
        TAILQ_INIT(&entry->waiters);
        HASH_ADD_KEYPTR(hh, waitlist->entries, entry->key, strlen(entry->key), entry);
    }
    return entry;
}

static void leave_entry(struct waitlist *waitlist, struct waiter *waiter)
{
    struct entry *entry = waiter->place;

    TAILQ_REMOVE(&entry->waiters, waiter, next);
    if (!TAILQ_EMPTY(&entry->waiters))
        return;
    HASH_DEL(waitlist->entries, entry);
    free(entry->key);
    free(entry);
}

static void give_place_back(struct waitlist *waitlist, struct owner *owner)
{
    if (!owner || --owner->places > 0)
        return;
    HASH_DEL(waitlist->owners, owner);
    free(owner->name);
    free(owner);
}

/* The only way out of the list, so a waiter leaves key, wheel and owner together. */
static void hand_out(struct waitlist *waitlist, struct waiter *waiter, struct waiters *out)
{
    TAILQ_REMOVE(bucket_of(waitlist, waiter->deadline), waiter, age);
    leave_entry(waitlist, waiter);
    give_place_back(waitlist, waiter->owner);
    TAILQ_INSERT_TAIL(out, waiter, next);
    waiter->waitlisted = false;
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
    struct entry *entry = NULL;

    HASH_FIND_STR(waitlist->entries, key, entry);
    return entry ? TAILQ_FIRST(&entry->waiters) : NULL;
}

static void hand_out_key(struct waitlist *waitlist, const char *key, struct waiters *out)
{
    struct waiter *waiter = NULL, *later = NULL;

    for (waiter = first_of(waitlist, key); waiter; waiter = later) {
        later = TAILQ_NEXT(waiter, next);
        hand_out(waitlist, waiter, out); /* frees the entry after its last waiter */
    }
}

/* A time whose bucket was visited already would wait a whole turn of the wheel. */
static bool may_park(const struct waitlist *waitlist, const struct waiter *waiter, int64_t until)
{
    return !waitlist->closed && !waiter->client_gone &&
           until / BUCKET_MS >= waitlist->next_bucket && until > clock_ms();
}

/* NULL when the owner has its share: others must find as many free places as it holds. So one user
 * may take half of an empty list, two a third each, and a newcomer still finds places. */
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
    struct entry *entry = entry_of(waitlist, key);

    waiter->deadline = until;
    waiter->place = entry;
    waiter->waitlisted = true;
    TAILQ_INSERT_TAIL(&entry->waiters, waiter, next);
    TAILQ_INSERT_TAIL(bucket_of(waitlist, until), waiter, age);
    waitlist->parked++;
}

/* --- public ----------------------------------------------------------------------------------- */

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
        hand_out_key(waitlist, key, older);
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
    hand_out_key(waitlist, key, out);
    pthread_mutex_unlock(&waitlist->lock);
}

/* Visits the buckets whose time is over; after a long pause, each bucket once. */
void waitlist_expire(struct waitlist *waitlist, int64_t now, struct waiters *out)
{
    TAILQ_INIT(out);
    pthread_mutex_lock(&waitlist->lock);
    for (int turns = 0; waitlist->next_bucket < now / BUCKET_MS && turns < BUCKETS; turns++)
        hand_out_bucket(waitlist, &waitlist->wheel[waitlist->next_bucket++ % BUCKETS], out);
    waitlist->next_bucket = now / BUCKET_MS;
    pthread_mutex_unlock(&waitlist->lock);
}

/* The waiter is marked even if it is not here: it may be on its way to this list, and would then
 * wait for nobody. */
bool waitlist_abandon(struct waitlist *waitlist, struct waiter *waiter)
{
    struct waiters out;

    TAILQ_INIT(&out);
    pthread_mutex_lock(&waitlist->lock);
    bool parked = waiter->waitlisted;
    if (parked)
        hand_out(waitlist, waiter, &out);
    waiter->client_gone = true;
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

/* Copies, since the keys are used in a query, without the lock. */
void waitlist_keys(struct waitlist *waitlist, char ***out, size_t *count)
{
    pthread_mutex_lock(&waitlist->lock);
    *count = 0;
    *out = xcalloc(HASH_COUNT(waitlist->entries) + 1, sizeof **out);
    for (struct entry *entry = waitlist->entries; entry; entry = entry->hh.next)
        (*out)[(*count)++] = xstrdup(entry->key);
    pthread_mutex_unlock(&waitlist->lock);
}

unsigned waitlist_count(struct waitlist *waitlist)
{
    pthread_mutex_lock(&waitlist->lock);
    unsigned count = waitlist->parked;
    pthread_mutex_unlock(&waitlist->lock);
    return count;
}
