/* SPDX-License-Identifier: MIT */
/* Threads that are waited for together. All zero at first. */
#ifndef API_THREAD_GROUP_H
#define API_THREAD_GROUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

struct thread_group {
    SLIST_HEAD(, member) members;
    atomic_size_t working;
};

/* Starts a thread that runs job(argument); ends the process when it cannot. */
void thread_group_start(struct thread_group *thread_group, void (*job)(void *), void *argument);

/* Whether all have returned. */
bool thread_group_done(struct thread_group *thread_group);

/* Waits for all. */
void thread_group_join(struct thread_group *thread_group);

#endif
