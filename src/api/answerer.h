/* SPDX-License-Identifier: MIT */
/* The threads that ask the database. The first one only reads, if there are others. */
#ifndef API_ANSWERER_H
#define API_ANSWERER_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/app.h"

struct answerers {
    struct app *app;
    atomic_uint started;
    pthread_barrier_t tried; /* reached when each has tried to connect once */
};

/* Runs one answerer until the board is stopped and empty. */
void answerer_run(void *answerers);

#endif
