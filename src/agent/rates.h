/* SPDX-License-Identifier: MIT */
/* How often each user may do something: a token bucket a user. Root may always. */
#ifndef AGENT_RATES_H
#define AGENT_RATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    RATES_BURST = 200,  /* at once */
    RATES_PERIOD = 1000 /* ms until one more */
};

/* Zero-initialise. */
struct rates {
    struct rate {
        uid_t uid;
        int64_t full_at; /* when the bucket is full again, ms */
    } * items;           /* of those that are not full */
    size_t count;
};

void rates_free(struct rates *rates);

/* Whether `uid` may once more, `now` (ms, monotonic). It counts if so. */
bool rates_take(struct rates *rates, uid_t uid, int64_t now);

#endif
