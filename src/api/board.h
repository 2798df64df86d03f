/* SPDX-License-Identifier: MIT */
/* The board: parked requests, grouped by the question they ask (request coalescing, also called
 * singleflight).
 *
 * A question with a key is shared: whoever asks it before its round starts is answered by that
 * round; whoever asks while the round is under way waits for the next. So no answer is older than
 * its request. A question without a key has a round of its own.
 *
 * Waiters with a weight are a batch: each asks something of its own, and a round takes them up to
 * ROUND_WEIGHT together; one that is full is followed by the next, of the same key. Two batches
 * of reads may be under way at a time.
 *
 * Under load, a question whose round has just ended rests for some milliseconds, so that its next
 * round gathers more of those who are on their way, unless all of them seem to be there. */
#ifndef API_BOARD_H
#define API_BOARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"

struct board;
struct round;

enum { ROUND_WEIGHT = 500 };

/* One parked request. The caller embeds it and owns the memory; the board borrows it from
 * board_park until the waiter comes back in a round or from board_expire. */
struct waiter {
    void *question;           /* the caller's own */
    int64_t deadline;         /* monotonic ms; its round must have started by then */
    bool writes;              /* the same for all of a key */
    unsigned weight;          /* in a batch, at most ROUND_WEIGHT; 0: shares its round's answer */
    int64_t since;            /* monotonic ms: when its request came */
    void *place, *owner;      /* the round's, or the watch's own */
    bool watched, gone; /* the watch's own: it waits there; it must not, as its client has gone */
    TAILQ_ENTRY(waiter) next; /* in its round */
    TAILQ_ENTRY(waiter) age;  /* on the board, oldest first */
};

TAILQ_HEAD(waiters, waiter);

/* Who is answered together. */
struct round {
    struct waiters waiters;
    unsigned count;  /* of them */
    unsigned enough; /* of them to rest no longer */
    unsigned weight;
    bool writes;
    struct slot *slot; /* board's own, as are the rest */
    struct rounds *queue;
    int64_t ready, due, started; /* monotonic us */
    TAILQ_ENTRY(round) next;  /* in its queue */
    TAILQ_ENTRY(round) later; /* in its slot */
};

/* At most `capacity` waiters at a time. */
struct board *board_new(unsigned capacity);
void board_free(struct board *board);

/* Parks `waiter` (deadline and weight set; all deadlines must be equally far away). `key` is
 * copied; NULL: a round of its own. ERR_BUSY when the board is full (of waiters, or under that key
 * of weight), ERR_STOPPING after board_stop, the reason of board_answerer_down while no answerer is
 * up. */
enum err board_park(struct board *board, struct waiter *waiter, const char *key);

/* Waits for the oldest question and starts its round: the caller owns the round and its waiters.
 * `reads_only` leaves those that write to other callers. NULL once the board is stopped and empty. */
struct round *board_take(struct board *board, bool reads_only);

/* Ends the round towards the board, after the database was asked and before the answers are
 * written; whoever waits for the next one can be taken now. The round stays the caller's. */
void board_asked(struct board *board, struct round *round);
void round_free(struct round *round);

/* Moves the waiters whose deadline is before `now` to *out. */
void board_expire(struct board *board, int64_t now, struct waiters *out);

/* While no answerer is up, board_park refuses at once. The last one to go down gives the reason and
 * receives all who wait in *out. */
void board_answerer_up(struct board *board);
void board_answerer_down(struct board *board, enum err reason, struct waiters *out);

/* How many wait there, and whether no answerer is up. */
unsigned board_count(struct board *board, bool *shut);

/* Whether the board is stopped, waiting up to `ms` for it. */
bool board_stopped(struct board *board, int ms);

/* No more parking; takes go on until it is empty. */
void board_stop(struct board *board);

#endif
