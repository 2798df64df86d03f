/* SPDX-License-Identifier: MIT */
/* base64url without padding (RFC 7515 section 2), the encoding of JSON Web Tokens and Keys.
 *
 * OpenSSL's decoder has another alphabet, wants padding and skips white space. RFC 7515 allows none
 * of that in a token, so a token with it is refused here. */
#ifndef BASE_BASE64URL_H
#define BASE_BASE64URL_H

#include <stddef.h>

/* Size of a buffer for any text of `length` characters. */
#define BASE64URL_BYTES(length) (((size_t)(length) + 3) / 4 * 3)

/* Decodes `length` characters to out[size]; returns the number of bytes. 0: the text is malformed
 * or empty, or `size` is less than BASE64URL_BYTES(length). */
size_t base64url_decode(const char *text, size_t length, unsigned char *out, size_t size);

#endif
