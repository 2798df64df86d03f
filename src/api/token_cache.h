/* SPDX-License-Identifier: MIT */
/* A cache of verified tokens, so that a client's next request need not pay for the signature again:
 * a hit costs well under 1 us, a verification 7 us (HS256) to 105 us (ES256). The key is the whole
 * token. Thread-safe and of bounded size. */
#ifndef API_TOKEN_CACHE_H
#define API_TOKEN_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/principal.h"

struct token_cache;

struct token_cache *token_cache_new(void);
void token_cache_free(struct token_cache *cache);

/* True, with *out filled, when `token` is cached and still valid at `now` (Unix seconds). */
bool token_cache_get(struct token_cache *cache, const char *token, int64_t now,
                     struct principal *out);

/* Adds a token, which must be valid now. */
void token_cache_put(struct token_cache *cache, const char *token, const struct principal *who);

/* Empties the cache, after a change of keys. */
void token_cache_clear(struct token_cache *cache);

#endif
