/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/thread_group.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/xalloc.h"

enum { STACK_SIZE = 512 * 1024 }; /* bytes; libjwt copies tokens to the stack: see TOKEN_MAX */

struct member {
    pthread_t thread;
    struct thread_group *thread_group;
    void (*job)(void *);
    void *argument;
    SLIST_ENTRY(member) next;
};

static void *work(void *context)
{
    struct member *member = context;

    member->job(member->argument);
    atomic_fetch_sub(&member->thread_group->working, 1);
    return NULL;
}

void thread_group_start(struct thread_group *thread_group, void (*job)(void *), void *argument)
{
    struct member *member = xcalloc(1, sizeof *member);
    pthread_attr_t attributes;

    member->thread_group = thread_group;
    member->job = job;
    member->argument = argument;
    SLIST_INSERT_HEAD(&thread_group->members, member, next);
    atomic_fetch_add(&thread_group->working, 1);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (pthread_create(&member->thread, &attributes, work, member) != 0) {
        log_event(LEVEL_ERROR, "start", "detail=\"cannot start a thread\"");
        exit(EXIT_FAILURE);
    }
    pthread_attr_destroy(&attributes);
}

bool thread_group_done(struct thread_group *thread_group)
{
    return atomic_load(&thread_group->working) == 0;
}

void thread_group_join(struct thread_group *thread_group)
{
    struct member *member = NULL;

    while ((member = SLIST_FIRST(&thread_group->members))) {
        SLIST_REMOVE_HEAD(&thread_group->members, next);
        pthread_join(member->thread, NULL);
        free(member);
    }
}
