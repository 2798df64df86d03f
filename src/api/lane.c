/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/lane.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/xalloc.h"

struct item {
    struct waiter *waiter;
    struct reply *reply;
    STAILQ_ENTRY(item) next;
};

struct lane {
    lane_write_fn *write;
    pthread_mutex_t lock;
    pthread_cond_t work;
    STAILQ_HEAD(items, item) items;
    bool closed;
};

struct lane *lane_new(lane_write_fn *write)
{
    struct lane *lane = xcalloc(1, sizeof *lane);

    lane->write = write;
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->work, NULL);
    STAILQ_INIT(&lane->items);
    return lane;
}

void lane_free(struct lane *lane)
{
    if (!lane)
        return;
    pthread_cond_destroy(&lane->work);
    pthread_mutex_destroy(&lane->lock);
    free(lane);
}

void lane_put(struct lane *lane, struct waiter *waiter, struct reply *reply)
{
    struct item *item = xcalloc(1, sizeof *item);

    item->waiter = waiter;
    item->reply = reply_hold(reply);
    pthread_mutex_lock(&lane->lock);
    STAILQ_INSERT_TAIL(&lane->items, item, next);
    pthread_cond_signal(&lane->work);
    pthread_mutex_unlock(&lane->lock);
}

static struct item *take(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    while (STAILQ_EMPTY(&lane->items) && !lane->closed)
        pthread_cond_wait(&lane->work, &lane->lock);
    struct item *item = STAILQ_FIRST(&lane->items);
    if (item)
        STAILQ_REMOVE_HEAD(&lane->items, next);
    pthread_mutex_unlock(&lane->lock);
    return item;
}

void lane_run(void *context)
{
    struct lane *lane = context;
    struct item *item = NULL;

    while ((item = take(lane))) {
        lane->write(item->waiter, item->reply);
        reply_release(item->reply);
        free(item);
    }
}

void lane_close(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    lane->closed = true;
    pthread_cond_broadcast(&lane->work);
    pthread_mutex_unlock(&lane->lock);
}
