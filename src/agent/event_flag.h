/* SPDX-License-Identifier: MIT */
/* What a thread waits for: work, a call to hurry, the end, or a time. Thread-safe. */
#ifndef AGENT_EVENT_FLAG_H
#define AGENT_EVENT_FLAG_H

#include <stdbool.h>
#include <stdint.h>

enum {
    EVENT_WORK = 1,  /* there is something to send */
    EVENT_HURRY = 2, /* do not wait any longer before you try again */
    EVENT_STOP = 4   /* rings for ever */
};

struct event_flag;

struct event_flag *event_flag_new(void);
void event_flag_free(struct event_flag *event_flag);
void event_flag_set(struct event_flag *event_flag, unsigned what);

/* Waits for EVENT_STOP or one of `wanted`, until `deadline` (of clock_ms). Returns what
 * rang, 0 at the deadline; what is returned, EVENT_STOP apart, is silent again. */
unsigned event_flag_wait(struct event_flag *event_flag, unsigned wanted, int64_t deadline);
bool event_flag_stopped(struct event_flag *event_flag);

#endif
