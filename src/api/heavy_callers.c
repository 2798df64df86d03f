/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/heavy_callers.h"

#include <stdatomic.h>

#include "base/clock.h"

/* From about 100 rows on, reading them costs more than the statement that a batch saves. */
enum { ROWS_MAX = 100, KNOWN_FOR = 60 /* s */, SLOTS = 4096 };

/* A heavy caller is 48 bits of a hash and 16 bits of time in seconds. A newer one replaces an older
 * one in the same slot. */
static _Atomic uint64_t slots[SLOTS];

/* FNV-1a over the text and its NUL. */
static uint64_t add_text(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    while (*text++);
    return hash;
}

static uint64_t hash_of(const char *pattern, const struct scope *caller)
{
    uint64_t hash = add_text(14695981039346656037u, pattern);

    return add_text(add_text(hash, caller->tenant_id), caller->user_id);
}

static uint16_t seconds_now(void)
{
    return (uint16_t)(clock_ms() / 1000);
}

bool heavy_callers_check(const char *pattern, const struct scope *caller, bool *measure)
{
    uint64_t hash = hash_of(pattern, caller), slot = atomic_load(&slots[hash % SLOTS]);
    bool heavy = slot >> 16 == hash >> 16;

    *measure = heavy && (uint16_t)(seconds_now() - slot) > KNOWN_FOR;
    return heavy;
}

void heavy_callers_note(const char *pattern, const struct scope *caller, uint64_t rows)
{
    uint64_t hash = hash_of(pattern, caller), slot = atomic_load(&slots[hash % SLOTS]);

    if (rows > ROWS_MAX)
        atomic_store(&slots[hash % SLOTS], hash >> 16 << 16 | seconds_now());
    else if (slot >> 16 == hash >> 16)
        atomic_store(&slots[hash % SLOTS], 0);
}
