/* SPDX-License-Identifier: MIT */
/* The forms in which lists come, and which of them a request prefers. */
#ifndef API_FORMAT_H
#define API_FORMAT_H

enum format { FORMAT_JSON, FORMAT_CSV, FORMAT_NDJSON, FORMAT_COUNT };

extern const char *const format_types[FORMAT_COUNT]; /* Content-Type */

/* The form that an Accept header (NULL: none) prefers (RFC 9110 section 12.5.1): the one of the
 * largest q-value, of equal ones the one that is named, JSON before the others. JSON too when it
 * accepts none. */
enum format format_choose(const char *accept);

#endif
