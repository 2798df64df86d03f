/* SPDX-License-Identifier: MIT */
/* Two clocks, and times as text.
 *
 * Deadlines and intervals use the monotonic clock: nobody can set it, so a corrected time of day
 * neither ends a wait at once nor makes it last for hours. The time of day is for what people and
 * other machines read. Of what is stored, the database's clock decides, not this host's.
 *
 * A time comes in as RFC 3339 and is compared and stored as SQL text in UTC with milliseconds: text
 * of that form sorts as the times do. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum { CLOCK_TEXT_SIZE = 32, SQL_TIME_LENGTH = 23 };

/* The last second that both forms of text can express: the end of the year 9999. */
#define CLOCK_MAX INT64_C(253402300799)

/* Monotonic, in milliseconds and microseconds. */
int64_t clock_ms(void);
int64_t clock_us(void);

/* The time of day, in milliseconds since 1970-01-01T00:00:00Z. */
int64_t clock_realtime_ms(void);

/* Writes a time of day as RFC 3339 in UTC, such as 2026-02-06T12:00:00.123Z. */
void clock_format(int64_t realtime_ms, char out[CLOCK_TEXT_SIZE]);

/* Writes the time of day now. */
void clock_text(char out[CLOCK_TEXT_SIZE]);

/* Parses a date-time (RFC 3339 section 5.6) of the years 1970 to 9999 and writes it in UTC, such as
 * `2026-02-06 12:00:00.123`. Digits past milliseconds are dropped; a leap second becomes the next
 * second. False when the text is not a valid date-time. */
bool clock_parse(const char *text, char out[SQL_TIME_LENGTH + 1]);

#endif
