/* SPDX-License-Identifier: MIT */
/* The waitlist: parked requests that wait for an event (a signal for a machine, the end of a
 * session) or for their time to pass. They need neither a thread nor the database: 10,000 agents
 * that poll cost a worker 106 MB and 0.1 % of a core. A hash finds the waiters of a key, a timing
 * wheel those whose time is over.
 *
 * It decides nothing. A request that is woken asks the database again, so a wake-up may come too
 * often or from the wrong place, and the response is right all the same. It may not fail to come:
 * for commits of other workers, there is the poller. */
#ifndef API_WAITLIST_H
#define API_WAITLIST_H

#include <stddef.h>

#include "api/coalescer.h"

enum { WAITLIST_MAX_MS = 60000 };

/* The events to wait for; each has a waitlist of its own. */
enum wait_for {
    WAIT_NOTHING,
    WAIT_SIGNAL, /* a signal for an agent's machine */
    WAIT_END,    /* the end of a session */
    WAIT_COUNT
};

struct waitlist;

/* A waitlist for at most `capacity` waiters at a time. */
struct waitlist *waitlist_new(unsigned capacity);
void waitlist_free(struct waitlist *waitlist);

/* Parks `waiter` until `until` (monotonic ms, at most WAITLIST_MAX_MS ahead), to be woken by `key`.
 * Borrows it until it is handed out. Returns false, and parks nothing, when that time has passed,
 * the client has gone, the list is full or closed, or `owner` already holds half of the places that
 * other owners leave: so no user can take all places. */
bool waitlist_park(struct waitlist *waitlist, struct waiter *waiter, const char *key,
                   const char *owner, int64_t until);

/* The same without an owner, for keys where only the newest waiter counts: moves older ones to
 * *older. False also when a newer one (`since`) already waits. */
bool waitlist_park_newest(struct waitlist *waitlist, struct waiter *waiter, const char *key,
                          int64_t until, struct waiters *older);

/* Removes a waiter whose client has gone. False when it is not here; then it can no longer be
 * parked. */
bool waitlist_abandon(struct waitlist *waitlist, struct waiter *waiter);

/* Move to *out: the waiters of `key`; those whose time is over; all of them, for good. */
void waitlist_wake(struct waitlist *waitlist, const char *key, struct waiters *out);
void waitlist_expire(struct waitlist *waitlist, int64_t now, struct waiters *out);
void waitlist_close(struct waitlist *waitlist, struct waiters *out);

/* The keys that have waiters: *out is an array of *count copies, which the caller frees with its
 * members. */
void waitlist_keys(struct waitlist *waitlist, char ***out, size_t *count);
unsigned waitlist_count(struct waitlist *waitlist); /* number of waiters */

#endif
