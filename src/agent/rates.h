/* SPDX-License-Identifier: MIT */
/* Limits how often each user may open a session: one token bucket per user, none for root. Opens
 * and ends are never dropped from the spool, so without a limit one user could fill the disk. */
#ifndef AGENT_RATES_H
#define AGENT_RATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    RATES_BURST = 200,  /* tokens in a full bucket */
    RATES_PERIOD = 1000 /* ms until a token is added */
};

/* Zero-initialise. */
struct rates {
    struct rate {
        uid_t uid;
        int64_t full_at; /* when the bucket is full again, ms */
    } * items;           /* only buckets that are not full */
    size_t count;
};

void rates_free(struct rates *rates);

/* Takes a token of `uid` at the time `now` (ms, monotonic). Returns false, and takes nothing, when
 * the bucket is empty. */
bool rates_take(struct rates *rates, uid_t uid, int64_t now);

#endif
