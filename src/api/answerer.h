/* SPDX-License-Identifier: MIT */
/* The threads that ask the database. */
#ifndef API_ANSWERER_H
#define API_ANSWERER_H

#include <pthread.h>

#include "api/app.h"
#include "api/reply.h"

/* Hands an answer to one waiter, who is gone from the board. The reply stays the caller's. */
typedef void deliver_fn(struct waiter *waiter, struct reply *reply);

struct answerers {
    struct app *app;
    deliver_fn *deliver;
    pthread_barrier_t tried; /* reached when each has tried to connect once */
};

/* Runs one answerer until the board is stopped and empty. */
void answerer_run(void *answerers);

/* Answers all of `waiters` with an error. */
void answer_all(struct waiters *waiters, enum err code, deliver_fn *deliver);

#endif
