/* SPDX-License-Identifier: MIT */
/* What a thread waits for: work, a call to hurry, the end, or a time. Thread-safe. */
#ifndef AGENT_BELL_H
#define AGENT_BELL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BELL_WORK = 1,  /* there is something to send */
    BELL_HURRY = 2, /* do not wait any longer before you try again */
    BELL_STOP = 4   /* rings for ever */
};

struct bell;

struct bell *bell_new(void);
void bell_free(struct bell *bell);
void bell_ring(struct bell *bell, unsigned what);

/* Waits for BELL_STOP or one of `wanted`, until `deadline` (of moment_monotonic). Returns what
 * rang, 0 at the deadline; what is returned, BELL_STOP apart, is silent again. */
unsigned bell_wait(struct bell *bell, unsigned wanted, int64_t deadline);
bool bell_stopped(struct bell *bell);

#endif
