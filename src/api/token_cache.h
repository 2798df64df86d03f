/* SPDX-License-Identifier: MIT */
/* Tokens that were verified, so that a client's next request need not pay for the signature again.
 * A token is its own key, byte by byte. Thread-safe, of bounded size: a newer token takes the place
 * of an older one that falls on the same slot. */
#ifndef API_TOKEN_CACHE_H
#define API_TOKEN_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/principal.h"

struct token_cache;

struct token_cache *token_cache_new(void);
void token_cache_free(struct token_cache *cache);

/* True, with *out filled, when `token` was put in and is valid still at `now` (Unix seconds). */
bool token_cache_get(struct token_cache *cache, const char *token, int64_t now,
                     struct principal *out);

/* Only for a token that is valid now. */
void token_cache_put(struct token_cache *cache, const char *token, const struct principal *who);

/* Forgets all: after a change of keys. */
void token_cache_clear(struct token_cache *cache);

#endif
