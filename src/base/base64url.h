/* SPDX-License-Identifier: MIT */
/* base64url without padding (RFC 7515 section 2), as JSON Web Tokens and Keys are written in. */
#ifndef BASE_BASE64URL_H
#define BASE_BASE64URL_H

#include <stddef.h>

/* Bytes that fit whatever `length` characters stand for. */
#define BASE64URL_BYTES(length) (((size_t)(length) + 3) / 4 * 3)

/* Decodes `length` characters to out[size]; returns the number of bytes, 0 when they are malformed,
 * stand for none, or when `size` is less than BASE64URL_BYTES(length). */
size_t base64url_decode(const char *text, size_t length, unsigned char *out, size_t size);

#endif
