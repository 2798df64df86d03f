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

size_t utf8_character(const char *text, size_t left)
{
    const unsigned char *s = (const unsigned char *)text;

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
    while (length) {
        size_t n = utf8_character(s, length);
        if (n == 0)
            return false;
        s += n;
        length -= n;
    }
    return true;
}

bool utf8_plain(const char *s, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)s[i];
        bool c1 = c == 0xc2 && i + 1 < length && (unsigned char)s[i + 1] < 0xa0;
        if (c < 0x20 || c == 0x7f || c1)
            return false;
    }
    return utf8_valid(s, length);
}

void utf8_repair(char *s, size_t length)
{
    while (length) {
        size_t n = utf8_character(s, length);
        if (n == 0)
            *s = '?';
        s += n ? n : 1;
        length -= n ? n : 1;
    }
}
