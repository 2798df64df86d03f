/* SPDX-License-Identifier: MIT */
/* One thread that waits for many slow sockets, so that none of them holds a thread of its own. */
#ifndef API_POLLER_H
#define API_POLLER_H

#include <stdbool.h>
#include <stdint.h>

enum progress { PROGRESS_MORE, PROGRESS_COMPLETE, PROGRESS_BROKEN };

/* What is done with a job's socket, and with the job in the end. */
struct poller_work {
    uint32_t events;                        /* EPOLLIN or EPOLLOUT */
    enum progress (*proceed)(void *job);    /* all that can be done without waiting */
    void (*done)(void *job, bool complete); /* takes ownership */
};

struct poller;

/* `work` is borrowed for good. A job whose socket is silent for `patience` ms is broken. */
struct poller *poller_new(const struct poller_work *work, unsigned capacity, int64_t patience);

/* NULL-safe; call it once poller_run has returned. */
void poller_free(struct poller *poller);

/* Takes ownership of the job; false, and not, when the poller is full. */
bool poller_put(struct poller *poller, int fd, void *job);

/* What its thread runs: until the poller is closed and empty. */
void poller_run(void *poller);

/* From now on jobs get `patience` once, and no more however busy they are. */
void poller_close(struct poller *poller);

#endif
