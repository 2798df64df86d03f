/* SPDX-License-Identifier: MIT */
/* Reads JSON from anywhere: strictly (RFC 8259), and within bounds. json-c, which builds the
 * objects, is lenient and spends up to 800 bytes on a `{}`; so a text is checked and counted before
 * json-c sees it. Of members with the same name the last one counts.
 *
 * Bytes within a string that are not UTF-8 are left to whoever uses the string: so they cost one
 * command, and not the batch that it is in. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stddef.h>

struct json_object;

/* Bounds for every text: some times what the largest one that vsay knows needs (500 commands, or
 * 1,000 sessions). With them, json-c needs at most 10 MB besides the strings. */
enum { JSON_DEPTH_MAX = 32, JSON_CONTAINERS_MAX = 4096, JSON_VALUES_MAX = 32768 };

enum json_fault {
    JSON_GOOD = 0,
    JSON_MALFORMED, /* not one JSON text and nothing around it */
    JSON_TOO_MUCH   /* nested too deeply, or too many objects, arrays or values */
};

/* Checks one JSON text of any type, without allocating. */
enum json_fault json_check(const char *text, size_t length);

/* Reads one JSON object, any other type being JSON_MALFORMED. The caller puts *out, which is NULL
 * unless all is good. */
enum json_fault json_read(const char *text, size_t length, struct json_object **out);

#endif
