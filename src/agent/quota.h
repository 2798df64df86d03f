/* SPDX-License-Identifier: MIT */
/* Keeps one user of the machine from taking what the others need. Three things are limited, and all
 * three can be taken by anyone who may run a program:
 *
 *   - places, such as sessions and connections: a user may hold half of those that the others
 *     leave. So one user alone has many, and with any number of users there is one left for the
 *     next.
 *   - new sessions: one token bucket per user. Openings and ends are never dropped from the spool,
 *     so without a limit one user could fill the disk.
 *   - room in a full spool: each user keeps an equal share (max-min fairness). The user who would
 *     miss this is one who runs a few commands, beside one whose script runs thousands while vsay
 *     is away: if a full spool simply dropped its oldest commands, the script would push the few
 *     out.
 *
 * Root is limited in the last only: it can stop the agent anyway. */
#ifndef AGENT_QUOTA_H
#define AGENT_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Returns whether `uid`, which holds `own` of the `used` places, may take one more of `max`. */
bool quota_place(uid_t uid, size_t own, size_t used, size_t max);

/* --- new sessions --- */

enum {
    QUOTA_BURST = 200,  /* tokens in a full bucket */
    QUOTA_PERIOD = 1000 /* ms until a token is added */
};

/* Zero-initialise. */
struct quota_rates {
    struct quota_rate {
        uid_t uid;
        int64_t full_at; /* when the bucket is full again, ms */
    } * items;           /* only buckets that are not full */
    size_t count;
};

/* Takes a token of `uid` at the time `now` (ms, monotonic). Returns false, and takes nothing, when
 * the bucket is empty. */
bool quota_take(struct quota_rates *rates, uid_t uid, int64_t now);
void quota_rates_free(struct quota_rates *rates);

/* --- a full spool --- */

struct quota_item {
    uid_t uid;
    size_t bytes;
    bool stays; /* out */
};

/* Decides which of these items, oldest first, stay in `room` bytes. The users that need little keep
 * all of it, and the rest is divided equally among the others, of which each gives up its oldest
 * items. */
void quota_divide(struct quota_item *items, size_t count, size_t room);

#endif
