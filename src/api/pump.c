/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/pump.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

#include "api/board.h"
#include "base/xalloc.h"

enum { TICK_MS = 100, EVENTS_MAX = 64 };

struct item {
    int fd;
    void *job;
    int64_t until;
    TAILQ_ENTRY(item) next;
};

/* All items have the same patience, so the order of their last events is that of their deadlines.
 */
struct pump {
    const struct pump_work *work;
    int64_t patience;
    int epoll;
    pthread_mutex_t lock;
    TAILQ_HEAD(items, item) items;
    unsigned count, capacity;
    bool closed;
};

struct pump *pump_new(const struct pump_work *work, unsigned capacity, int64_t patience)
{
    struct pump *pump = xcalloc(1, sizeof *pump);

    pump->work = work;
    pump->patience = patience;
    pump->capacity = capacity;
    pump->epoll = epoll_create1(EPOLL_CLOEXEC);
    pthread_mutex_init(&pump->lock, NULL);
    TAILQ_INIT(&pump->items);
    return pump;
}

void pump_free(struct pump *pump)
{
    if (!pump)
        return;
    close(pump->epoll);
    pthread_mutex_destroy(&pump->lock);
    free(pump);
}

bool pump_put(struct pump *pump, int fd, void *job)
{
    struct item *item = xcalloc(1, sizeof *item);
    struct epoll_event event = {.events = pump->work->events | EPOLLET, .data.ptr = item};

    item->fd = fd;
    item->job = job;
    item->until = board_now() + pump->patience;
    pthread_mutex_lock(&pump->lock);
    bool taken =
        pump->count < pump->capacity && epoll_ctl(pump->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
    if (taken) {
        TAILQ_INSERT_TAIL(&pump->items, item, next);
        pump->count++;
    }
    pthread_mutex_unlock(&pump->lock);
    if (!taken)
        free(item);
    return taken;
}

/* The socket leaves the pump before the job does: others may close it then. */
static void remove_item(struct pump *pump, struct item *item, bool complete)
{
    void *job = item->job;

    pthread_mutex_lock(&pump->lock);
    epoll_ctl(pump->epoll, EPOLL_CTL_DEL, item->fd, NULL);
    TAILQ_REMOVE(&pump->items, item, next);
    pump->count--;
    pthread_mutex_unlock(&pump->lock);
    free(item);
    pump->work->done(job, complete);
}

static void extend(struct pump *pump, struct item *item)
{
    pthread_mutex_lock(&pump->lock);
    if (!pump->closed) {
        item->until = board_now() + pump->patience;
        TAILQ_REMOVE(&pump->items, item, next);
        TAILQ_INSERT_TAIL(&pump->items, item, next);
    }
    pthread_mutex_unlock(&pump->lock);
}

static void proceed(struct pump *pump, struct item *item)
{
    enum progress progress = pump->work->proceed(item->job);

    if (progress == PROGRESS_MORE)
        extend(pump, item);
    else
        remove_item(pump, item, progress == PROGRESS_COMPLETE);
}

static struct item *first(struct pump *pump)
{
    pthread_mutex_lock(&pump->lock);
    struct item *item = TAILQ_FIRST(&pump->items);
    pthread_mutex_unlock(&pump->lock);
    return item;
}

static bool is_over(struct pump *pump)
{
    pthread_mutex_lock(&pump->lock);
    bool over = pump->closed && TAILQ_EMPTY(&pump->items);
    pthread_mutex_unlock(&pump->lock);
    return over;
}

void pump_run(void *context)
{
    struct pump *pump = context;
    struct epoll_event events[EVENTS_MAX];
    struct item *item;

    while (!is_over(pump)) {
        int count = epoll_wait(pump->epoll, events, EVENTS_MAX, TICK_MS);
        for (int i = 0; i < count; i++)
            proceed(pump, events[i].data.ptr);
        while ((item = first(pump)) && item->until < board_now())
            remove_item(pump, item, false);
    }
}

void pump_close(struct pump *pump)
{
    pthread_mutex_lock(&pump->lock);
    pump->closed = true;
    pthread_mutex_unlock(&pump->lock);
}
