/* SPDX-License-Identifier: MIT */
/* Threads of one job that start together and are waited for together. */
#ifndef API_CREW_H
#define API_CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct crew {
    pthread_t *threads;
    size_t count;
    atomic_size_t working;
    void (*job)(void *);
    void *argument;
};

/* Starts `count` threads that run job(argument); ends the process when it cannot. */
void crew_start(struct crew *crew, size_t count, void (*job)(void *), void *argument);

/* Whether all have returned. */
bool crew_done(struct crew *crew);

/* Waits for all. */
void crew_join(struct crew *crew);

#endif
