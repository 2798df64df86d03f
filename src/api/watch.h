/* SPDX-License-Identifier: MIT */
/* The watch: parked requests that wait for something to happen (a signal for a machine, the end of
 * a session) or for their time to be up. They need neither a thread nor the database. */
#ifndef API_WATCH_H
#define API_WATCH_H

#include <stddef.h>

#include "api/board.h"

enum { WATCH_MAX_MS = 60000 };

/* What a request may wait for: each has a watch of its own. */
enum wait_for {
    WAIT_NOTHING,
    WAIT_SIGNAL, /* for the machine of an agent */
    WAIT_END,    /* of a session */
    WAIT_COUNT
};

struct watch;

/* At most `capacity` waiters at a time. */
struct watch *watch_new(unsigned capacity);
void watch_free(struct watch *watch);

/* Parks `waiter` until `until` (monotonic ms, at most WATCH_MAX_MS ahead), to be woken by `key`. The
 * watch borrows it until it is handed out. False, and nothing is parked, when that time has come,
 * its client has gone, the watch is full or closed, or `owner` has half of the places that other owners leave. */
bool watch_park(struct watch *watch, struct waiter *waiter, const char *key, const char *owner,
                int64_t until);

/* The same, without an owner, where only the newest waits for a key: moves the older ones to *older.
 * False also when a newer one (`since`) waits. */
bool watch_park_newest(struct watch *watch, struct waiter *waiter, const char *key, int64_t until,
                       struct waiters *older);

/* Takes a waiter out whose client has gone; false when it is not here, and then it will not be
 * parked any more. */
bool watch_abandon(struct watch *watch, struct waiter *waiter);

/* Move to *out: who waits for `key`; whose time is up; all, for good. */
void watch_wake(struct watch *watch, const char *key, struct waiters *out);
void watch_expire(struct watch *watch, int64_t now, struct waiters *out);
void watch_close(struct watch *watch, struct waiters *out);

/* The keys that are waited for, as copies: *out is an array of *count of them, to be freed with its
 * members by the caller. */
void watch_keys(struct watch *watch, char ***out, size_t *count);
unsigned watch_count(struct watch *watch); /* of those who wait */

#endif
