/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/base64url.h"

#include <string.h>

/* The six bits that a character stands for; -1: none. */
static int value_of(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789-_";
    const char *at = c ? strchr(alphabet, c) : NULL;

    return at ? (int)(at - alphabet) : -1;
}

size_t base64url_decode(const char *text, size_t length, unsigned char *out, size_t size)
{
    unsigned bits = 0, pending = 0;
    size_t used = 0;

    /* One character left over has six bits, which make no byte. */
    if (length % 4 == 1 || size < BASE64URL_BYTES(length))
        return 0;
    for (size_t i = 0; i < length; i++) {
        int value = value_of(text[i]);
        if (value < 0)
            return 0;
        bits = (bits << 6 | (unsigned)value) & 0xffff; /* the last 16 bits are enough */
        pending += 6;
        if (pending >= 8) {
            pending -= 8;
            out[used++] = (unsigned char)(bits >> pending);
        }
    }
    return used;
}
