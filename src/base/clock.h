/* SPDX-License-Identifier: MIT */
/* Two clocks. Deadlines and intervals use the monotonic one: nobody can set it. The time of day is
 * for what people and other machines read. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

enum { CLOCK_TEXT_SIZE = 32 };

/* Monotonic, in milliseconds and microseconds. */
int64_t clock_ms(void);
int64_t clock_us(void);

/* The time of day, in milliseconds since 1970-01-01T00:00:00Z. */
int64_t clock_realtime_ms(void);

/* Writes a time of day as RFC 3339 in UTC, such as 2026-02-06T12:00:00.123Z. */
void clock_format(int64_t realtime_ms, char out[CLOCK_TEXT_SIZE]);

/* Writes the time of day now. */
void clock_text(char out[CLOCK_TEXT_SIZE]);

#endif
