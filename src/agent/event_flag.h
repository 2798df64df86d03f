/* SPDX-License-Identifier: MIT */
/* Events that a thread waits for: new work, a call to hurry, the end, or a point in time.
 * Thread-safe.
 *
 * For the sender and the poller, which wait for nothing else. The main thread waits for sockets
 * too, so other threads wake it by an eventfd (session_event_fd). Events stay set until someone
 * waits for them, so one that comes during a request is not lost. */
#ifndef AGENT_EVENT_FLAG_H
#define AGENT_EVENT_FLAG_H

#include <stdbool.h>
#include <stdint.h>

enum {
    EVENT_WORK = 1,  /* there is something to send */
    EVENT_HURRY = 2, /* retry now instead of after the back-off */
    EVENT_STOP = 4   /* end the thread; never cleared */
};

struct event_flag;

struct event_flag *event_flag_new(void);
void event_flag_free(struct event_flag *event_flag);
void event_flag_set(struct event_flag *event_flag, unsigned what);

/* Waits for EVENT_STOP or one of `wanted`, until `deadline` (clock_ms). Returns the events that
 * were set, and clears them except EVENT_STOP; returns 0 at the deadline. */
unsigned event_flag_wait(struct event_flag *event_flag, unsigned wanted, int64_t deadline);
bool event_flag_stopped(struct event_flag *event_flag);

#endif
