/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/crew.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/xalloc.h"

enum { STACK_SIZE = 512 * 1024 }; /* libjwt puts tokens on it: see TOKEN_MAX */

static void *work(void *context)
{
    struct crew *crew = context;

    crew->job(crew->argument);
    atomic_fetch_sub(&crew->working, 1);
    return NULL;
}

void crew_start(struct crew *crew, size_t count, void (*job)(void *), void *argument)
{
    pthread_attr_t attributes;

    crew->threads = xcalloc(count, sizeof *crew->threads);
    crew->count = count;
    crew->job = job;
    crew->argument = argument;
    atomic_init(&crew->working, count);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    for (size_t i = 0; i < count; i++) {
        if (pthread_create(&crew->threads[i], &attributes, work, crew) != 0) {
            log_event(LEVEL_ERROR, "start", "detail=\"cannot start a thread\"");
            exit(EXIT_FAILURE);
        }
    }
    pthread_attr_destroy(&attributes);
}

bool crew_done(struct crew *crew)
{
    return atomic_load(&crew->working) == 0;
}

void crew_join(struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++)
        pthread_join(crew->threads[i], NULL);
    free(crew->threads);
}
