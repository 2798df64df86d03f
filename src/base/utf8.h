/* SPDX-License-Identifier: MIT */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the bytes are well-formed UTF-8 (RFC 3629: shortest form, no surrogates). */
bool utf8_valid(const char *s, size_t length);

/* Whether well-formed text is free of C0, DEL and C1 characters, which steer terminals. */
bool utf8_plain(const char *s);

#endif
