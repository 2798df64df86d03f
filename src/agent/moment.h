/* SPDX-License-Identifier: MIT */
/* Clocks, in milliseconds. */
#ifndef AGENT_MOMENT_H
#define AGENT_MOMENT_H

#include <stdint.h>

enum { MOMENT_SIZE = 32 };

int64_t moment_monotonic(void);
int64_t moment_realtime(void); /* since 1970 */

/* A time since 1970 as RFC 3339 in UTC, such as 2026-02-06T12:00:00.123Z. */
void moment_format(int64_t realtime, char out[MOMENT_SIZE]);

/* The same, of the time now. */
void moment_text(char out[MOMENT_SIZE]);

#endif
