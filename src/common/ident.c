/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/ident.h"

#include <string.h>

bool ident_valid(const char *s, size_t length)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";

    return length >= 1 && length <= IDENT_MAX && strnlen(s, length) == length &&
           strspn(s, alphabet) >= length;
}
