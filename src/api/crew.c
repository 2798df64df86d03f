/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/crew.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/xalloc.h"

enum { STACK_SIZE = 512 * 1024 }; /* libjwt puts tokens on it: see TOKEN_MAX */

struct member {
    pthread_t thread;
    struct crew *crew;
    void (*job)(void *);
    void *argument;
    SLIST_ENTRY(member) next;
};

static void *work(void *context)
{
    struct member *member = context;

    member->job(member->argument);
    atomic_fetch_sub(&member->crew->working, 1);
    return NULL;
}

void crew_start(struct crew *crew, void (*job)(void *), void *argument)
{
    struct member *member = xcalloc(1, sizeof *member);
    pthread_attr_t attributes;

    member->crew = crew;
    member->job = job;
    member->argument = argument;
    SLIST_INSERT_HEAD(&crew->members, member, next);
    atomic_fetch_add(&crew->working, 1);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (pthread_create(&member->thread, &attributes, work, member) != 0) {
        log_event(LEVEL_ERROR, "start", "detail=\"cannot start a thread\"");
        exit(EXIT_FAILURE);
    }
    pthread_attr_destroy(&attributes);
}

bool crew_done(struct crew *crew)
{
    return atomic_load(&crew->working) == 0;
}

void crew_join(struct crew *crew)
{
    struct member *member = NULL;

    while ((member = SLIST_FIRST(&crew->members))) {
        SLIST_REMOVE_HEAD(&crew->members, next);
        pthread_join(member->thread, NULL);
        free(member);
    }
}
