/* SPDX-License-Identifier: MIT */
/* Threads that are waited for together. All zero at first. */
#ifndef API_CREW_H
#define API_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

struct crew {
    SLIST_HEAD(, member) members;
    atomic_size_t working;
};

/* Starts a thread that runs job(argument); ends the process when it cannot. */
void crew_start(struct crew *crew, void (*job)(void *), void *argument);

/* Whether all have returned. */
bool crew_done(struct crew *crew);

/* Waits for all. */
void crew_join(struct crew *crew);

#endif
