/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/bell.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/xalloc.h"

struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rang;
    unsigned ringing;
};

struct bell *bell_new(void)
{
    struct bell *bell = xcalloc(1, sizeof *bell);
    pthread_condattr_t monotonic;

    pthread_mutex_init(&bell->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&bell->rang, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return bell;
}

void bell_free(struct bell *bell)
{
    if (!bell)
        return;
    pthread_cond_destroy(&bell->rang);
    pthread_mutex_destroy(&bell->lock);
    free(bell);
}

void bell_ring(struct bell *bell, unsigned what)
{
    pthread_mutex_lock(&bell->lock);
    bell->ringing |= what;
    pthread_cond_signal(&bell->rang);
    pthread_mutex_unlock(&bell->lock);
}

unsigned bell_wait(struct bell *bell, unsigned wanted, int64_t deadline)
{
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    int timed_out = 0;

    wanted |= BELL_STOP;
    pthread_mutex_lock(&bell->lock);
    while (!(bell->ringing & wanted) && !timed_out)
        timed_out = pthread_cond_timedwait(&bell->rang, &bell->lock, &until);
    unsigned rang = bell->ringing & wanted;
    bell->ringing &= ~rang | BELL_STOP;
    pthread_mutex_unlock(&bell->lock);
    return rang;
}

bool bell_stopped(struct bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    bool stopped = bell->ringing & BELL_STOP;
    pthread_mutex_unlock(&bell->lock);
    return stopped;
}
