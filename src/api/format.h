/* SPDX-License-Identifier: MIT */
/* The formats of lists, and content negotiation between them. */
#ifndef API_FORMAT_H
#define API_FORMAT_H

enum format { FORMAT_JSON, FORMAT_CSV, FORMAT_NDJSON, FORMAT_COUNT };

extern const char *const format_types[FORMAT_COUNT]; /* Content-Type */

/* Chooses the format that an Accept header (NULL: none) prefers (RFC 9110 section 12.5.1): the
 * largest q-value wins, then the more specific range, then JSON. Also JSON when none is
 * acceptable. */
enum format format_choose(const char *accept);

#endif
