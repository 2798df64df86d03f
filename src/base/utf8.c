/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* One row per form of RFC 3629 section 4: range of the first byte, range of the second, length. The
 * range of the second byte excludes overlong forms (e0, f0), surrogates (ed) and what lies above
 * U+10FFFF (f4), so no further check is needed. */
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
        /* C1, U+0080 to U+009F, of which U+009B begins a command on some terminals */
        bool c1 = c == 0xc2 && i + 1 < length && (unsigned char)s[i + 1] < 0xa0;
        if (c < 0x20 || c == 0x7f || c1)
            return false;
    }
    return utf8_valid(s, length);
}

/* --- escaping -------------------------------------------------------------------------------- */

/* The code point of a well-formed character of n bytes. */
static uint32_t code_point(const char *s, size_t n)
{
    static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)*s & first_bits[n];

    for (size_t i = 1; i < n; i++)
        code = code << 6 | ((unsigned char)s[i] & 0x3f);
    return code;
}

/* Characters that a terminal or an editor obeys instead of showing: controls, line separators,
 * marks and overrides of direction (Unicode's Bidi_Control), and invisible tags. */
static bool is_harmful(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0x61c, 0x61c},
                  {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x206f},
                  {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    }
    return false;
}

enum { ESCAPED_MAX = sizeof "\\U000e0001" };

static void escape_code(char out[ESCAPED_MAX], uint32_t code)
{
    static const char names[] = "\n\r\t", letters[] = "nrt";
    const char *name = code && code < 0x80 ? strchr(names, (int)code) : NULL;

    if (name)
        snprintf(out, ESCAPED_MAX, "\\%c", letters[name - names]);
    else
        snprintf(out, ESCAPED_MAX,
                 code < 0x80      ? "\\x%02x"
                 : code < 0x10000 ? "\\u%04x"
                                  : "\\U%08x",
                 code);
}

/* Writes the next character as it is shown. Returns how many bytes of the text it took. */
static size_t escape_character(char out[ESCAPED_MAX], const char *text, const char *quoted)
{
    size_t n = utf8_character(text, strnlen(text, 4));
    uint32_t code = n ? code_point(text, n) : 0;

    if (n == 0) {
        snprintf(out, ESCAPED_MAX, "\\x%02x", (unsigned char)*text);
        return 1;
    }
    if (is_harmful(code))
        escape_code(out, code);
    else
        snprintf(out, ESCAPED_MAX, "%s%.*s", n == 1 && strchr(quoted, *text) ? "\\" : "", (int)n,
                 text);
    return n;
}

size_t utf8_escape(char *out, size_t size, const char *text, const char *quoted)
{
    char shown[ESCAPED_MAX];
    size_t used = 0;

    while (*text) {
        text += escape_character(shown, text, quoted);
        size_t length = strlen(shown);
        if (used + length >= size)
            break;
        memcpy(out + used, shown, length);
        used += length;
    }
    out[used] = '\0';
    return used;
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
