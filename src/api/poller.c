/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/poller.h"

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
struct poller {
    const struct poller_work *work;
    int64_t patience;
    int epoll;
    pthread_mutex_t lock;
    TAILQ_HEAD(items, item) items;
    unsigned count, capacity;
    bool closed;
};

struct poller *poller_new(const struct poller_work *work, unsigned capacity, int64_t patience)
{
    struct poller *poller = xcalloc(1, sizeof *poller);

    poller->work = work;
    poller->patience = patience;
    poller->capacity = capacity;
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    pthread_mutex_init(&poller->lock, NULL);
    TAILQ_INIT(&poller->items);
    return poller;
}

void poller_free(struct poller *poller)
{
    if (!poller)
        return;
    close(poller->epoll);
    pthread_mutex_destroy(&poller->lock);
    free(poller);
}

bool poller_put(struct poller *poller, int fd, void *job)
{
    struct item *item = xcalloc(1, sizeof *item);
    struct epoll_event event = {.events = poller->work->events | EPOLLET, .data.ptr = item};

    item->fd = fd;
    item->job = job;
    item->until = board_now() + poller->patience;
    pthread_mutex_lock(&poller->lock);
    bool taken = poller->count < poller->capacity &&
                 epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
    if (taken) {
        TAILQ_INSERT_TAIL(&poller->items, item, next);
        poller->count++;
    }
    pthread_mutex_unlock(&poller->lock);
    if (!taken)
        free(item);
    return taken;
}

/* The socket leaves the poller before the job does: others may close it then. */
static void remove_item(struct poller *poller, struct item *item, bool complete)
{
    void *job = item->job;

    pthread_mutex_lock(&poller->lock);
    epoll_ctl(poller->epoll, EPOLL_CTL_DEL, item->fd, NULL);
    TAILQ_REMOVE(&poller->items, item, next);
    poller->count--;
    pthread_mutex_unlock(&poller->lock);
    free(item);
    poller->work->done(job, complete);
}

static void extend(struct poller *poller, struct item *item)
{
    pthread_mutex_lock(&poller->lock);
    if (!poller->closed) {
        item->until = board_now() + poller->patience;
        TAILQ_REMOVE(&poller->items, item, next);
        TAILQ_INSERT_TAIL(&poller->items, item, next);
    }
    pthread_mutex_unlock(&poller->lock);
}

static void proceed(struct poller *poller, struct item *item)
{
    enum progress progress = poller->work->proceed(item->job);

    if (progress == PROGRESS_MORE)
        extend(poller, item);
    else
        remove_item(poller, item, progress == PROGRESS_COMPLETE);
}

static struct item *first(struct poller *poller)
{
    pthread_mutex_lock(&poller->lock);
    struct item *item = TAILQ_FIRST(&poller->items);
    pthread_mutex_unlock(&poller->lock);
    return item;
}

static bool is_over(struct poller *poller)
{
    pthread_mutex_lock(&poller->lock);
    bool over = poller->closed && TAILQ_EMPTY(&poller->items);
    pthread_mutex_unlock(&poller->lock);
    return over;
}

void poller_run(void *context)
{
    struct poller *poller = context;
    struct epoll_event events[EVENTS_MAX];
    struct item *item;

    while (!is_over(poller)) {
        int count = epoll_wait(poller->epoll, events, EVENTS_MAX, TICK_MS);
        for (int i = 0; i < count; i++)
            proceed(poller, events[i].data.ptr);
        while ((item = first(poller)) && item->until < board_now())
            remove_item(poller, item, false);
    }
}

void poller_close(struct poller *poller)
{
    pthread_mutex_lock(&poller->lock);
    poller->closed = true;
    pthread_mutex_unlock(&poller->lock);
}
