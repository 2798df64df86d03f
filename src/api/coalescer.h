/* SPDX-License-Identifier: MIT */
/* The coalescer: a bounded queue of parked requests, grouped by key so that one query answers many
 * (request coalescing, also called singleflight). It knows nothing of HTTP or SQL.
 *
 * Waiters with the same key share a batch, and its result. A waiter may join only until the
 * batch starts; later ones wait for the next. So no response is older than its request. Under load
 * the database thus does less work, not more: at most one query at a time for a key. A waiter
 * without a key has a batch of its own.
 *
 * Waiters with a weight ask for different things that can run together (the data loader pattern). A
 * batch takes them up to BATCH_WEIGHT_MAX; the next one of the key takes the rest. Two batches of
 * reads may run at a time: with one, 256 connections got 3,100 responses a second, with two 5,800.
 *
 * Under load, the next batch of a key is delayed a few milliseconds so that it gathers more
 * waiters, unless all the expected ones are there already. At 256 connections this cut the
 * database's CPU time from 17 to 5 us a request. */
#ifndef API_COALESCER_H
#define API_COALESCER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"

struct coalescer;
struct batch;

enum { BATCH_WEIGHT_MAX = 500 };

/* One parked request. The caller embeds it and owns the memory. The coalescer borrows it from
 * coalescer_park until it comes back in a batch or in a list of waiters. */
struct waiter {
    void *call;               /* this and the next two: the caller's */
    struct inbox *inbox;      /* of the thread that writes its response */
    int client;               /* the socket of its connection */
    int64_t deadline;         /* monotonic ms; its batch must start by then */
    bool writes;              /* equal for all waiters of a key */
    unsigned weight;          /* at most BATCH_WEIGHT_MAX; 0: shares its batch's result */
    int64_t since;            /* monotonic ms: arrival of its request */
    void *place, *owner;      /* private to the coalescer or the waitlist */
    bool waitlisted;          /* private to the waitlist: it waits there */
    bool client_gone;         /* its client has gone, so it must not go on a waitlist */
    TAILQ_ENTRY(waiter) next; /* in its batch */
    TAILQ_ENTRY(waiter) age;  /* in the coalescer, oldest first */
};

TAILQ_HEAD(waiters, waiter);

/* Waiters that are answered together. */
struct batch {
    struct waiters waiters;
    unsigned count;    /* number of waiters */
    unsigned expected; /* this many waiters end its delay */
    unsigned weight;
    bool writes;
    struct key_entry *entry; /* this and all below: private to the coalescer */
    struct batches *queue;
    int64_t ready, due, started; /* monotonic us */
    TAILQ_ENTRY(batch) next;     /* in its queue */
    TAILQ_ENTRY(batch) pending;  /* in its key's entry */
};

/* A coalescer for at most `capacity` waiters at a time. */
struct coalescer *coalescer_new(unsigned capacity);
void coalescer_free(struct coalescer *coalescer);

/* Parks `waiter`. Its deadline, weight and `writes` must be set; all deadlines must be equally far
 * away. `key` is copied; NULL: a batch of its own. ERR_BUSY when the coalescer is full, or the
 * key's weight is; ERR_STOPPING after coalescer_stop; while no database worker is up, the reason
 * given to coalescer_db_worker_down. */
enum err coalescer_park(struct coalescer *coalescer, struct waiter *waiter, const char *key);

/* Waits for the oldest batch and starts it; the caller then owns the batch and its waiters. With
 * `reads_only`, batches that write are left to other threads. NULL once the coalescer is stopped
 * and empty. */
struct batch *coalescer_take(struct coalescer *coalescer, bool reads_only);

/* Tells the coalescer that the batch's query is done, before its responses are written: the key's
 * next batch may start. The batch stays the caller's. */
void coalescer_loaded(struct coalescer *coalescer, struct batch *batch);
void batch_free(struct batch *batch);

/* Moves the waiters whose deadline is before `now` to *out. */
void coalescer_expire(struct coalescer *coalescer, int64_t now, struct waiters *out);

/* Count the database workers that are up. While there is none, coalescer_park refuses at once. The
 * last one to go down gives the reason, and receives all waiters in *out. */
void coalescer_db_worker_up(struct coalescer *coalescer);
void coalescer_db_worker_down(struct coalescer *coalescer, enum err reason, struct waiters *out);

/* The number of waiters, and whether all database workers are down. */
unsigned coalescer_count(struct coalescer *coalescer, bool *db_down);

/* Waits up to `ms` for coalescer_stop; returns whether it was called. */
bool coalescer_stopped(struct coalescer *coalescer, int ms);

/* Refuses new waiters. coalescer_take goes on until all are gone. */
void coalescer_stop(struct coalescer *coalescer);

#endif
