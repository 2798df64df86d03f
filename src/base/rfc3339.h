/* SPDX-License-Identifier: MIT */
#ifndef BASE_RFC3339_H
#define BASE_RFC3339_H

#include <stdbool.h>

enum { SQL_TIME_LENGTH = 23 };

/* Reads a date-time of RFC 3339 section 5.6 of the years 1970 to 9999 and writes it as SQL has it,
 * in UTC: `2026-02-06 12:00:00.123`. Digits past milliseconds are dropped; a leap second is the
 * second after. False when it is none. */
bool rfc3339_to_sql(const char *text, char out[SQL_TIME_LENGTH + 1]);

#endif
