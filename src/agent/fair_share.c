/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/fair_share.h"

#include <stdlib.h>

#include "base/xalloc.h"

void fair_share_free(struct fair_share *fair_share)
{
    free(fair_share->items);
    *fair_share = (struct fair_share){0};
}

static struct share *find(struct fair_share *fair_share, uid_t uid)
{
    for (size_t i = 0; i < fair_share->count; i++) {
        if (fair_share->items[i].uid == uid)
            return &fair_share->items[i];
    }
    return NULL;
}

void fair_share_need(struct fair_share *fair_share, uid_t uid, size_t bytes)
{
    struct share *share = find(fair_share, uid);

    if (!share) {
        fair_share->items =
            xrealloc(fair_share->items, (fair_share->count + 1) * sizeof *fair_share->items);
        share = &fair_share->items[fair_share->count++];
        *share = (struct share){.uid = uid};
    }
    share->bytes += bytes;
}

static int by_bytes(const void *a, const void *b)
{
    const struct share *left = a, *right = b;

    return (left->bytes > right->bytes) - (left->bytes < right->bytes);
}

void fair_share_divide(struct fair_share *fair_share, size_t room)
{
    if (fair_share->count)
        qsort(fair_share->items, fair_share->count, sizeof *fair_share->items, by_bytes);
    for (size_t i = 0; i < fair_share->count; i++) {
        struct share *share = &fair_share->items[i];
        size_t part = room / (fair_share->count - i);
        size_t kept = share->bytes < part ? share->bytes : part;
        share->bytes -= kept;
        room -= kept;
    }
}

bool fair_share_give_up(struct fair_share *fair_share, uid_t uid, size_t bytes)
{
    struct share *share = find(fair_share, uid);

    if (!share || !share->bytes)
        return false;
    share->bytes -= bytes < share->bytes ? bytes : share->bytes;
    return true;
}
