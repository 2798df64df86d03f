/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/utf8.h"

/* One row a form of RFC 3629 section 4: range of the first byte, range of the second, length. */
static const struct {
    unsigned char first_min, first_max, second_min, second_max;
    size_t length;
} forms[] = {
    {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* Length of the character at s, or 0 when it is malformed. */
static size_t character_length(const unsigned char *s, size_t left)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (*s < forms[i].first_min || *s > forms[i].first_max)
            continue;
        size_t n = forms[i].length;
        if (n > left || (n > 1 && (s[1] < forms[i].second_min || s[1] > forms[i].second_max)))
            return 0;
        for (size_t k = 2; k < n; k++) {
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        }
        return n;
    }
    return 0;
}

bool utf8_valid(const char *s, size_t length)
{
    const unsigned char *p = (const unsigned char *)s;

    while (length) {
        size_t n = character_length(p, length);
        if (n == 0)
            return false;
        p += n;
        length -= n;
    }
    return true;
}

bool utf8_plain(const char *s)
{
    for (const unsigned char *c = (const unsigned char *)s; *c; c++) {
        if (*c < 0x20 || *c == 0x7f || (c[0] == 0xc2 && c[1] < 0xa0))
            return false;
    }
    return true;
}
