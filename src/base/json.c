/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/json.h"

#include <json.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

/* The scanner is a recursive descent over the grammar of RFC 8259, which builds nothing: it says
 * yes or no, and counts. json-c then parses the same text again. */

/* The rest of the text, and what has been counted so far. */
struct scan {
    const char *at, *end;
    unsigned depth, containers, values;
};

static enum json_fault scan_value(struct scan *scan);

/* The next character. NUL, which is never valid, at the end. */
static char next(const struct scan *scan)
{
    return scan->at < scan->end ? *scan->at : '\0';
}

/* Skips the next character if it is `c`. */
static bool take(struct scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

/* RFC 8259 section 2 */
static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end && memchr(" \t\n\r", *scan->at, 4))
        scan->at++;
}

/* Not ctype.h, which depends on the locale. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex_digit(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* --- scalars --------------------------------------------------------------------------------- */

static bool scan_escape(struct scan *scan)
{
    char c = next(scan);

    if (!c || !strchr("\"\\/bfnrtu", c))
        return false;
    scan->at++;
    for (int i = 0; c == 'u' && i < 4; i++, scan->at++) {
        if (!is_hex_digit(next(scan)))
            return false;
    }
    return true;
}

/* Section 7: control characters are escaped. */
static bool scan_string(struct scan *scan)
{
    if (!take(scan, '"'))
        return false;
    while (scan->at < scan->end && *scan->at != '"') {
        if ((unsigned char)*scan->at < ' ')
            return false;
        if (*scan->at++ == '\\' && !scan_escape(scan))
            return false;
    }
    return take(scan, '"');
}

static bool scan_digits(struct scan *scan)
{
    const char *start = scan->at;

    while (is_digit(next(scan)))
        scan->at++;
    return scan->at > start;
}

/* Section 6 */
static bool scan_number(struct scan *scan)
{
    take(scan, '-');
    if (!take(scan, '0') && !scan_digits(scan))
        return false;
    if (take(scan, '.') && !scan_digits(scan))
        return false;
    if (!take(scan, 'e') && !take(scan, 'E'))
        return true;
    if (!take(scan, '+'))
        take(scan, '-');
    return scan_digits(scan);
}

static bool scan_word(struct scan *scan, const char *word)
{
    while (*word && take(scan, *word))
        word++;
    return !*word;
}

static bool scan_scalar(struct scan *scan)
{
    switch (next(scan)) {
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        return scan_number(scan);
    }
}

/* --- containers ------------------------------------------------------------------------------ */

static bool scan_name(struct scan *scan)
{
    skip_space(scan);
    if (!scan_string(scan))
        return false;
    skip_space(scan);
    return take(scan, ':');
}

/* The rest of an object or array, up to `end`. */
static enum json_fault scan_container(struct scan *scan, char end)
{
    skip_space(scan);
    if (take(scan, end))
        return JSON_GOOD;
    do {
        if (end == '}' && !scan_name(scan))
            return JSON_MALFORMED;
        enum json_fault fault = scan_value(scan);
        if (fault)
            return fault;
    } while (take(scan, ','));
    return take(scan, end) ? JSON_GOOD : JSON_MALFORMED;
}

/* A value with the space around it. Recursive, at most JSON_DEPTH_MAX deep. */
static enum json_fault scan_value(struct scan *scan)
{
    enum json_fault fault = JSON_GOOD;

    skip_space(scan);
    char first = next(scan);
    bool container = first == '{' || first == '[';
    /* Counted before it is looked at, so that the scan of a text that is too much ends early. */
    if (++scan->values > JSON_VALUES_MAX)
        return JSON_TOO_MUCH;
    if (container) {
        if (scan->depth == JSON_DEPTH_MAX || ++scan->containers > JSON_CONTAINERS_MAX)
            return JSON_TOO_MUCH;
        scan->at++;
        scan->depth++;
        fault = scan_container(scan, first == '{' ? '}' : ']');
        scan->depth--;
    } else if (!scan_scalar(scan)) {
        fault = JSON_MALFORMED;
    }
    skip_space(scan);
    return fault;
}

enum json_fault json_check(const char *text, size_t length)
{
    struct scan scan = {.at = text, .end = text + length};
    enum json_fault fault = scan_value(&scan);

    return fault || scan.at == scan.end ? fault : JSON_MALFORMED;
}

enum json_fault json_read(const char *text, size_t length, struct json_object **out)
{
    *out = NULL;
    enum json_fault fault = length <= INT_MAX ? json_check(text, length) : JSON_TOO_MUCH;
    if (fault)
        return fault;
    struct json_tokener *tokener =
        json_tokener_new_ex(JSON_DEPTH_MAX + 2); /* json-c counts scalars too */
    *out = json_tokener_parse_ex(tokener, text, (int)length);
    json_tokener_free(tokener);
    if (json_object_is_type(*out, json_type_object))
        return JSON_GOOD;
    json_object_put(*out);
    *out = NULL;
    return JSON_MALFORMED;
}
