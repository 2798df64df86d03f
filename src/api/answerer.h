/* SPDX-License-Identifier: MIT */
/* The threads that ask the database. */
#ifndef API_ANSWERER_H
#define API_ANSWERER_H

#include <pthread.h>

#include "api/app.h"

struct answerers {
    struct app *app;
    pthread_barrier_t tried; /* reached when each has tried to connect once */
};

/* Runs one answerer until the board is stopped and empty. */
void answerer_run(void *answerers);

#endif
