/* SPDX-License-Identifier: MIT */
/* Clocks, in milliseconds. */
#ifndef AGENT_MOMENT_H
#define AGENT_MOMENT_H

#include <stdint.h>

enum { MOMENT_SIZE = 32 };

int64_t moment_monotonic(void);
int64_t moment_realtime(void); /* since 1970 */

/* The time now as RFC 3339 in UTC, such as 2026-02-06T12:00:00.123Z. */
void moment_text(char out[MOMENT_SIZE]);

#endif
