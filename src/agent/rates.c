/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/rates.h"

#include <stdlib.h>

#include "base/xalloc.h"

void rates_free(struct rates *rates)
{
    free(rates->items);
    *rates = (struct rates){0};
}

/* Finds a user's bucket, or NULL. Drops the full ones on the way, so the table holds only users
 * that opened sessions recently. */
static struct rate *find(struct rates *rates, uid_t uid, int64_t now)
{
    struct rate *found = NULL;
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

bool rates_take(struct rates *rates, uid_t uid, int64_t now)
{
    if (uid == 0)
        return true;
    struct rate *rate = find(rates, uid, now);
    if (!rate) {
        rates->items = xrealloc(rates->items, (rates->count + 1) * sizeof *rates->items);
        rate = &rates->items[rates->count++];
        *rate = (struct rate){.uid = uid, .full_at = now};
    }
    if (rate->full_at + RATES_PERIOD - now > (int64_t)RATES_BURST * RATES_PERIOD)
        return false;
    rate->full_at += RATES_PERIOD;
    return true;
}
