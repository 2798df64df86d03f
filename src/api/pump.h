/* SPDX-License-Identifier: MIT */
/* One thread that waits for many slow sockets, so that none of them holds a thread of its own. */
#ifndef API_PUMP_H
#define API_PUMP_H

#include <stdbool.h>
#include <stdint.h>

enum progress { PROGRESS_MORE, PROGRESS_COMPLETE, PROGRESS_BROKEN };

/* What is done with a job's socket, and with the job in the end. */
struct pump_work {
    uint32_t events;                        /* EPOLLIN or EPOLLOUT */
    enum progress (*proceed)(void *job);    /* all that can be done without waiting */
    void (*done)(void *job, bool complete); /* takes ownership */
};

struct pump;

/* `work` is borrowed for good. A job whose socket is silent for `patience` ms is broken. */
struct pump *pump_new(const struct pump_work *work, unsigned capacity, int64_t patience);

/* NULL-safe; call it once pump_run has returned. */
void pump_free(struct pump *pump);

/* Takes ownership of the job; false, and not, when the pump is full. */
bool pump_put(struct pump *pump, int fd, void *job);

/* What its thread runs: until the pump is closed and empty. */
void pump_run(void *pump);

/* From now on jobs get `patience` once, and no more however busy they are. */
void pump_close(struct pump *pump);

#endif
