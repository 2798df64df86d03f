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

/* Writes `text` (ending at its NUL byte) to out[size], ended by a NUL byte, so that it can do no
 * harm in a line of a log or on a terminal: control characters (C1 too), line and paragraph
 * separators, what changes the direction of text, and bytes that are not UTF-8 become \n, \x1b,
 * \u202e and the like, and each character of `quoted` gets a backslash. What does not fit is left
 * out, by whole characters. Returns the length written. */
size_t utf8_escape(char *out, size_t size, const char *text, const char *quoted);

/* Puts a question mark for each byte that is no part of a character, in place. */
void utf8_repair(char *s, size_t length);

#endif
