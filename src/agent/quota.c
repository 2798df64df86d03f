/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/quota.h"

#include <stdlib.h>

#include "base/xalloc.h"

bool quota_place(uid_t uid, size_t own, size_t used, size_t max)
{
    return used < max && (uid == 0 || own < max - used);
}

/* --- new sessions ---------------------------------------------------------------------------- */

/* Finds a user's bucket, or NULL. Drops the full ones on the way, so the table holds only users
 * that opened sessions recently. */
static struct quota_rate *find_rate(struct quota_rates *rates, uid_t uid, int64_t now)
{
    struct quota_rate *found = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < rates->count; i++) {
        if (rates->items[i].full_at <= now)
            continue;
        rates->items[kept] = rates->items[i];
        if (rates->items[kept].uid == uid)
            found = &rates->items[kept];
        kept++;
    }
    rates->count = kept;
    return found;
}

/* A bucket is stored as the time when it is full again: each token that is taken moves that time
 * by a period, and no timer has to add tokens. */
bool quota_take(struct quota_rates *rates, uid_t uid, int64_t now)
{
    if (uid == 0)
        return true;
    struct quota_rate *rate = find_rate(rates, uid, now);
    if (!rate) {
        rates->items = xrealloc(rates->items, (rates->count + 1) * sizeof *rates->items);
        rate = &rates->items[rates->count++];
        *rate = (struct quota_rate){.uid = uid, .full_at = now};
    }
    if (rate->full_at + QUOTA_PERIOD - now > (int64_t)QUOTA_BURST * QUOTA_PERIOD)
        return false;
    rate->full_at += QUOTA_PERIOD;
    return true;
}

void quota_rates_free(struct quota_rates *rates)
{
    free(rates->items);
    *rates = (struct quota_rates){0};
}

/* --- a full spool ---------------------------------------------------------------------------- */

struct share {
    uid_t uid;
    size_t bytes; /* needed; later the excess that must go */
};

struct shares {
    struct share *items;
    size_t count;
};

static struct share *find_share(const struct shares *shares, uid_t uid)
{
    for (size_t i = 0; i < shares->count; i++) {
        if (shares->items[i].uid == uid)
            return &shares->items[i];
    }
    return NULL;
}

static void add_need(struct shares *shares, const struct quota_item *item)
{
    struct share *share = find_share(shares, item->uid);

    if (!share) {
        shares->items = xrealloc(shares->items, (shares->count + 1) * sizeof *shares->items);
        share = &shares->items[shares->count++];
        *share = (struct share){.uid = item->uid};
    }
    share->bytes += item->bytes;
}

static int by_bytes(const void *a, const void *b)
{
    const struct share *left = a, *right = b;

    return (left->bytes > right->bytes) - (left->bytes < right->bytes);
}

/* Turns each user's need into the excess over its share of `room`. The smallest need comes first:
 * what a user leaves of its equal part is there for those that need more. */
static void find_excess(struct shares *shares, size_t room)
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

void quota_divide(struct quota_item *items, size_t count, size_t room)
{
    struct shares shares = {0};

    for (size_t i = 0; i < count; i++)
        add_need(&shares, &items[i]);
    find_excess(&shares, room);
    for (size_t i = 0; i < count; i++) {
        struct share *excess = find_share(&shares, items[i].uid);
        items[i].stays = !excess->bytes;
        excess->bytes -= items[i].bytes < excess->bytes ? items[i].bytes : excess->bytes;
    }
    free(shares.items);
}
