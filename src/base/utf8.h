/* SPDX-License-Identifier: MIT */
/* UTF-8: checking it, repairing it, and making it harmless for logs and terminals.
 *
 * Text comes from users' shells, from web servers and from a database that others may write to. It
 * is checked where it comes in. Where it goes out, to a log or an operator's terminal, it is
 * escaped all the same: a terminal obeys control characters, and a line in a log must be one line.
 * The functions do not use the locale, which is that of whoever starts the program. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Returns whether the bytes are well-formed UTF-8 (RFC 3629: shortest form, no surrogates). */
bool utf8_valid(const char *s, size_t length);

/* The same, and without control characters (C0, DEL, C1). */
bool utf8_plain(const char *s, size_t length);

/* Length of the character at `s`, of which `left` bytes, at least 1, may be read. 0: malformed. */
size_t utf8_character(const char *s, size_t left);

/* Writes `text` to out[size], both NUL-terminated, so that it is harmless in a log line and on a
 * terminal. Control characters (C1 too), line and paragraph separators, characters that change the
 * direction of text, and bytes that are not UTF-8 become \n, \x1b, \u202e and the like; each
 * character of `quoted` gets a backslash. Cuts text that does not fit between two characters.
 * Returns the length written. */
size_t utf8_escape(char *out, size_t size, const char *text, const char *quoted);

/* Replaces each byte that is not part of a character with a question mark, in place. */
void utf8_repair(char *s, size_t length);

#endif
