/* SPDX-License-Identifier: MIT */
/* the waitlist: parked requests that wait for something to happen (a signal for a machine, the end
 * of a session) or for their time to be up. They need neither a thread nor the database. */
#ifndef API_WAITLIST_H
#define API_WAITLIST_H

#include <stddef.h>

#include "api/coalescer.h"

enum { WATCH_MAX_MS = 60000 };

/* What a request may wait for: each has a watch of its own. */
enum wait_for {
    WAIT_NOTHING,
    WAIT_SIGNAL, /* for the machine of an agent */
    WAIT_END,    /* of a session */
    WAIT_COUNT
};

struct waitlist;

/* At most `capacity` waiters at a time. */
struct waitlist *waitlist_new(unsigned capacity);
void waitlist_free(struct waitlist *waitlist);

/* Parks `waiter` until `until` (monotonic ms, at most WATCH_MAX_MS ahead), to be woken by `key`.
 * The watch borrows it until it is handed out. False, and nothing is parked, when that time has
 * come, its client has gone, the waitlist is full or closed, or `owner` has half of the places that
 * other owners leave. */
bool waitlist_park(struct waitlist *waitlist, struct waiter *waiter, const char *key,
                   const char *owner, int64_t until);

/* The same, without an owner, where only the newest waits for a key: moves the older ones to
 * *older. False also when a newer one (`since`) waits. */
bool waitlist_park_newest(struct waitlist *waitlist, struct waiter *waiter, const char *key,
                          int64_t until, struct waiters *older);

/* Takes a waiter out whose client has gone; false when it is not here, and then it will not be
 * parked any more. */
bool waitlist_abandon(struct waitlist *waitlist, struct waiter *waiter);

/* Move to *out: who waits for `key`; whose time is up; all, for good. */
void waitlist_wake(struct waitlist *waitlist, const char *key, struct waiters *out);
void waitlist_expire(struct waitlist *waitlist, int64_t now, struct waiters *out);
void waitlist_close(struct waitlist *waitlist, struct waiters *out);

/* The keys that are waited for, as copies: *out is an array of *count of them, to be freed with its
 * members by the caller. */
void waitlist_keys(struct waitlist *waitlist, char ***out, size_t *count);
unsigned waitlist_count(struct waitlist *waitlist); /* of those who wait */

#endif
