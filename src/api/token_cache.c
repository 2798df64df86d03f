/* SPDX-License-Identifier: MIT */
/* A table without chains, in which a newer token replaces an older one of the same slot. The lost
 * entry costs one verification, which is cheaper than keeping a list by age under the lock. An
 * attacker cannot fill the table, since only verified tokens get in.
 *
 * The whole token is compared, and not a hash, so a hit is as certain as a verification. */
#include "config.h"
#include "api/token_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

enum {
    SLOTS = 8192,        /* enough for some thousand clients of a worker */
    SIGNATURE_TAIL = 16, /* characters that choose the slot */
    LENGTH_MAX = 2048    /* longer tokens are verified each time */
};

struct entry {
    struct principal who;
    char token[];
};

struct token_cache {
    pthread_mutex_t lock;
    struct entry *slots[SLOTS];
};

struct token_cache *token_cache_new(void)
{
    struct token_cache *cache = xcalloc(1, sizeof *cache);

    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void token_cache_clear(struct token_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    for (int i = 0; i < SLOTS; i++) {
        free(cache->slots[i]);
        cache->slots[i] = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
}

void token_cache_free(struct token_cache *cache)
{
    if (!cache)
        return;
    token_cache_clear(cache);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* FNV-1a over the end of the signature, whose bytes are as good as random. */
static struct entry **slot_of(struct token_cache *cache, const char *token, size_t length)
{
    uint32_t hash = 2166136261u;

    for (size_t i = length > SIGNATURE_TAIL ? length - SIGNATURE_TAIL : 0; i < length; i++)
        hash = (hash ^ (unsigned char)token[i]) * 16777619u;
    return &cache->slots[hash % SLOTS];
}

bool token_cache_get(struct token_cache *cache, const char *token, int64_t now,
                     struct principal *out)
{
    struct entry **slot = slot_of(cache, token, strlen(token));

    pthread_mutex_lock(&cache->lock);
    bool found = *slot && strcmp((*slot)->token, token) == 0 && now < (*slot)->who.valid_until;
    if (found)
        *out = (*slot)->who;
    pthread_mutex_unlock(&cache->lock);
    return found;
}

/* Allocates and frees outside the lock, which all io threads share. */
void token_cache_put(struct token_cache *cache, const char *token, const struct principal *who)
{
    size_t length = strlen(token);
    struct entry **slot = slot_of(cache, token, length);

    if (length > LENGTH_MAX)
        return;
    struct entry *entry = xcalloc(1, sizeof *entry + length + 1);
    entry->who = *who;
    memcpy(entry->token, token, length + 1);
    pthread_mutex_lock(&cache->lock);
    struct entry *old = *slot;
    *slot = entry;
    pthread_mutex_unlock(&cache->lock);
    free(old);
}
