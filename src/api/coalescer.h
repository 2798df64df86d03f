/* SPDX-License-Identifier: MIT */
/* The coalescer: parked requests, grouped by the call they ask (request coalescing, also called
 * singleflight).
 *
 * A call with a key is shared: whoever asks it before its batch starts is answered by that
 * batch; whoever asks while the batch is under way waits for the next. So no answer is older than
 * its request. A call without a key has a batch of its own.
 *
 * Waiters with a weight are a batch: each asks something of its own, and a batch takes them up to
 * ROUND_WEIGHT together; one that is full is followed by the next, of the same key. Two batches
 * of reads may be under way at a time.
 *
 * Under load, a call whose batch has just ended rests for some milliseconds, so that its next
 * batch gathers more of those who are on their way, unless all of them seem to be there. */
#ifndef API_COALESCER_H
#define API_COALESCER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"

struct coalescer;
struct batch;

enum { ROUND_WEIGHT = 500 };

/* One parked request. The caller embeds it and owns the memory; the coalescer borrows it from
 * coalescer_park until the waiter comes back in a batch or from coalescer_expire. */
struct waiter {
    void *call;          /* the caller's own */
    int64_t deadline;    /* monotonic ms; its batch must have started by then */
    bool writes;         /* the same for all of a key */
    unsigned weight;     /* in a batch, at most ROUND_WEIGHT; 0: shares its batch's answer */
    int64_t since;       /* monotonic ms: when its request came */
    void *place, *owner; /* the batch's, or the waitlist's own */
    bool watched,
        gone; /* the waitlist's own: it waits there; it must not, as its client has gone */
    TAILQ_ENTRY(waiter) next; /* in its batch */
    TAILQ_ENTRY(waiter) age;  /* on the coalescer, oldest first */
};

TAILQ_HEAD(waiters, waiter);

/* Who is answered together. */
struct batch {
    struct waiters waiters;
    unsigned count;  /* of them */
    unsigned enough; /* of them to rest no longer */
    unsigned weight;
    bool writes;
    struct slot *slot; /* coalescer's own, as are the rest */
    struct batches *queue;
    int64_t ready, due, started; /* monotonic us */
    TAILQ_ENTRY(batch) next;     /* in its queue */
    TAILQ_ENTRY(batch) later;    /* in its slot */
};

/* At most `capacity` waiters at a time. */
struct coalescer *coalescer_new(unsigned capacity);
void coalescer_free(struct coalescer *coalescer);

/* Parks `waiter` (deadline and weight set; all deadlines must be equally far away). `key` is
 * copied; NULL: a batch of its own. ERR_BUSY when the coalescer is full (of waiters, or under that
 * key of weight), ERR_STOPPING after coalescer_stop, the reason of coalescer_db_worker_down while
 * no database worker is up. */
enum err coalescer_park(struct coalescer *coalescer, struct waiter *waiter, const char *key);

/* Waits for the oldest call and starts its batch: the caller owns the batch and its waiters.
 * `reads_only` leaves those that write to other callers. NULL once the coalescer is stopped and
 * empty. */
struct batch *coalescer_take(struct coalescer *coalescer, bool reads_only);

/* Ends the batch towards the coalescer, after the database was asked and before the answers are
 * written; whoever waits for the next one can be taken now. The batch stays the caller's. */
void coalescer_loaded(struct coalescer *coalescer, struct batch *batch);
void batch_free(struct batch *batch);

/* Moves the waiters whose deadline is before `now` to *out. */
void coalescer_expire(struct coalescer *coalescer, int64_t now, struct waiters *out);

/* While no database worker is up, coalescer_park refuses at once. The last one to go down gives the
 * reason and receives all who wait in *out. */
void coalescer_db_worker_up(struct coalescer *coalescer);
void coalescer_db_worker_down(struct coalescer *coalescer, enum err reason, struct waiters *out);

/* How many wait there, and whether no database worker is up. */
unsigned coalescer_count(struct coalescer *coalescer, bool *shut);

/* Whether the coalescer is stopped, waiting up to `ms` for it. */
bool coalescer_stopped(struct coalescer *coalescer, int ms);

/* No more parking; takes go on until it is empty. */
void coalescer_stop(struct coalescer *coalescer);

#endif
