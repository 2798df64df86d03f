/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/lane.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/xalloc.h"

struct item {
    void *job;
    STAILQ_ENTRY(item) next;
};

struct lane {
    lane_work_fn *work;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    STAILQ_HEAD(items, item) items;
    unsigned waiting, capacity;
    bool closed;
};

struct lane *lane_new(lane_work_fn *work, unsigned capacity)
{
    struct lane *lane = xcalloc(1, sizeof *lane);

    lane->work = work;
    lane->capacity = capacity;
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->filled, NULL);
    STAILQ_INIT(&lane->items);
    return lane;
}

void lane_free(struct lane *lane)
{
    if (!lane)
        return;
    pthread_cond_destroy(&lane->filled);
    pthread_mutex_destroy(&lane->lock);
    free(lane);
}

bool lane_put(struct lane *lane, void *job)
{
    pthread_mutex_lock(&lane->lock);
    bool room = !lane->closed && lane->waiting < lane->capacity;
    if (room) {
        struct item *item = xcalloc(1, sizeof *item);
        item->job = job;
        STAILQ_INSERT_TAIL(&lane->items, item, next);
        lane->waiting++;
        pthread_cond_signal(&lane->filled);
    }
    pthread_mutex_unlock(&lane->lock);
    return room;
}

static struct item *take(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    while (STAILQ_EMPTY(&lane->items) && !lane->closed)
        pthread_cond_wait(&lane->filled, &lane->lock);
    struct item *item = STAILQ_FIRST(&lane->items);
    if (item) {
        STAILQ_REMOVE_HEAD(&lane->items, next);
        lane->waiting--;
    }
    pthread_mutex_unlock(&lane->lock);
    return item;
}

void lane_run(void *context)
{
    struct lane *lane = context;
    struct item *item = NULL;

    while ((item = take(lane))) {
        lane->work(item->job);
        free(item);
    }
}

void lane_close(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    lane->closed = true;
    pthread_cond_broadcast(&lane->filled);
    pthread_mutex_unlock(&lane->lock);
}
