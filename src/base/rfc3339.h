/* SPDX-License-Identifier: MIT */
/* Times in requests: RFC 3339 in, SQL out. Everything after this point compares and stores times as
 * SQL text in UTC with milliseconds. */
#ifndef BASE_RFC3339_H
#define BASE_RFC3339_H

#include <stdbool.h>

enum { SQL_TIME_LENGTH = 23 };

/* Parses a date-time (RFC 3339 section 5.6) of the years 1970 to 9999 and writes it in UTC, such as
 * `2026-02-06 12:00:00.123`. Digits past milliseconds are dropped; a leap second becomes the next
 * second. False when the text is not a valid date-time. */
bool rfc3339_to_sql(const char *text, char out[SQL_TIME_LENGTH + 1]);

#endif
