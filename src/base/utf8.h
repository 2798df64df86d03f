/* SPDX-License-Identifier: MIT */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the bytes are well-formed UTF-8 (RFC 3629: shortest form, no surrogates). */
bool utf8_valid(const char *s, size_t length);

/* The same, and without control characters: C0, DEL and C1. */
bool utf8_plain(const char *s, size_t length);

/* Length of the character at s, of which `left` (at least 1) bytes may be read; 0 when it is
 * malformed. */
size_t utf8_character(const char *s, size_t left);

/* Puts a question mark for each byte that is no part of a character, in place. */
void utf8_repair(char *s, size_t length);

#endif
