/* SPDX-License-Identifier: MIT */
/* A strict and bounded JSON reader (RFC 8259) for input that nobody has checked.
 *
 * json-c builds the objects, but it accepts more than JSON, and it allocates up to 800 bytes for a
 * `{}`. A small scanner therefore checks each text and counts its values before json-c sees it. Of
 * members with the same name the last one counts.
 *
 * The scanner accepts bytes in strings that are not UTF-8: the code that uses a string checks it.
 * So one bad command is refused alone, and not with the batch of 500 that it came in. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stddef.h>

struct json_object;

/* Bounds for every text, several times what the largest valid one needs (500 commands or 1,000
 * sessions). Within them json-c allocates at most 10 MB besides the strings. */
enum { JSON_DEPTH_MAX = 32, JSON_CONTAINERS_MAX = 4096, JSON_VALUES_MAX = 32768 };

enum json_fault {
    JSON_GOOD = 0,
    JSON_MALFORMED, /* not exactly one JSON text */
    JSON_TOO_MUCH   /* nested too deeply, or too many objects, arrays or values */
};

/* Checks one JSON text of any type, without allocating. */
enum json_fault json_check(const char *text, size_t length);

/* Reads one JSON object; any other type is JSON_MALFORMED. The caller releases *out
 * (json_object_put), which is NULL on error. */
enum json_fault json_read(const char *text, size_t length, struct json_object **out);

#endif
