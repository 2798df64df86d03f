/* SPDX-License-Identifier: MIT */
/* A group of threads that end together. Zero-initialise it. */
#ifndef API_THREAD_GROUP_H
#define API_THREAD_GROUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

struct thread_group {
    SLIST_HEAD(, member) members;
    atomic_size_t working;
};

/* Starts a thread that runs job(argument); ends the process on failure. */
void thread_group_start(struct thread_group *thread_group, void (*job)(void *), void *argument);

/* Whether all threads have returned. */
bool thread_group_done(struct thread_group *thread_group);

/* Waits for all threads, and frees what they used. */
void thread_group_join(struct thread_group *thread_group);

#endif
