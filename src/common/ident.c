/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/ident.h"

#include <string.h>

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool consists_of(const char *alphabet, const char *s, size_t length)
{
    return length >= 1 && strnlen(s, length) == length && strspn(s, alphabet) >= length;
}

bool ident_valid(const char *s, size_t length)
{
    return length <= IDENT_MAX && consists_of(ALPHANUMERIC "_.:-", s, length);
}

bool ident_valid_user(const char *s, size_t length)
{
    return length <= USER_ID_MAX &&
           consists_of(ALPHANUMERIC "!#$%&()*+,-./:;<=>?@[]^_{|}~", s, length);
}
