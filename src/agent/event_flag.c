/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/event_flag.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/xalloc.h"

struct event_flag {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned set;
};

struct event_flag *event_flag_new(void)
{
    struct event_flag *event_flag = xcalloc(1, sizeof *event_flag);
    pthread_condattr_t monotonic;

    pthread_mutex_init(&event_flag->lock, NULL);
    pthread_condattr_init(&monotonic);
    /* deadlines are clock_ms, which setting the time of day does not move */
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&event_flag->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return event_flag;
}

void event_flag_free(struct event_flag *event_flag)
{
    if (!event_flag)
        return;
    pthread_cond_destroy(&event_flag->changed);
    pthread_mutex_destroy(&event_flag->lock);
    free(event_flag);
}

void event_flag_set(struct event_flag *event_flag, unsigned what)
{
    pthread_mutex_lock(&event_flag->lock);
    event_flag->set |= what;
    pthread_cond_signal(&event_flag->changed);
    pthread_mutex_unlock(&event_flag->lock);
}

unsigned event_flag_wait(struct event_flag *event_flag, unsigned wanted, int64_t deadline)
{
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    int timed_out = 0;

    wanted |= EVENT_STOP;
    pthread_mutex_lock(&event_flag->lock);
    while (!(event_flag->set & wanted) && !timed_out)
        timed_out = pthread_cond_timedwait(&event_flag->changed, &event_flag->lock, &until);
    unsigned found = event_flag->set & wanted;
    event_flag->set &= ~found | EVENT_STOP;
    pthread_mutex_unlock(&event_flag->lock);
    return found;
}

bool event_flag_stopped(struct event_flag *event_flag)
{
    pthread_mutex_lock(&event_flag->lock);
    bool stopped = event_flag->set & EVENT_STOP;
    pthread_mutex_unlock(&event_flag->lock);
    return stopped;
}
