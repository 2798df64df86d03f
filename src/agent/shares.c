/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/shares.h"

#include <stdlib.h>

#include "base/xalloc.h"

void shares_free(struct shares *shares)
{
    free(shares->items);
    *shares = (struct shares){0};
}

static struct share *find(struct shares *shares, uid_t uid)
{
    for (size_t i = 0; i < shares->count; i++) {
        if (shares->items[i].uid == uid)
            return &shares->items[i];
    }
    return NULL;
}

void shares_need(struct shares *shares, uid_t uid, size_t bytes)
{
    struct share *share = find(shares, uid);

    if (!share) {
        shares->items = xrealloc(shares->items, (shares->count + 1) * sizeof *shares->items);
        share = &shares->items[shares->count++];
        *share = (struct share){.uid = uid};
    }
    share->bytes += bytes;
}

static int by_bytes(const void *a, const void *b)
{
    const struct share *left = a, *right = b;

    return (left->bytes > right->bytes) - (left->bytes < right->bytes);
}

void shares_divide(struct shares *shares, size_t room)
{
    if (shares->count)
        qsort(shares->items, shares->count, sizeof *shares->items, by_bytes);
    for (size_t i = 0; i < shares->count; i++) {
        struct share *share = &shares->items[i];
        size_t part = room / (shares->count - i);
        size_t kept = share->bytes < part ? share->bytes : part;
        share->bytes -= kept;
        room -= kept;
    }
}

bool shares_give_up(struct shares *shares, uid_t uid, size_t bytes)
{
    struct share *share = find(shares, uid);

    if (!share || !share->bytes)
        return false;
    share->bytes -= bytes < share->bytes ? bytes : share->bytes;
    return true;
}
