/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/check.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/utf8.h"
#include "common/protocol.h"

static enum err missing(const char *what, struct error *e)
{
    return error_set(e, ERR_REQUEST, "%s is missing; see --help", what);
}

enum err check_ident(const char *what, const char *text, struct error *e)
{
    if (!text)
        return missing(what, e);
    if (!ident_valid(text, strlen(text)))
        return error_set(
            e, ERR_REQUEST,
            "%s: '%.80s' is not an identifier, which is 1 to 64 of A-Z a-z 0-9 _ . : -", what,
            text);
    return ERR_OK;
}

enum err check_user_id(const char *what, const char *text, struct error *e)
{
    if (!text)
        return missing(what, e);
    if (!ident_valid_user(text, strlen(text)))
        return error_set(
            e, ERR_REQUEST,
            "%s: '%.140s' is not a user id, which is 1 to 128 ASCII characters without "
            "blanks, quotes and backslash",
            what, text);
    return ERR_OK;
}

enum err check_optional_ident(const char *what, const char *text, struct error *e)
{
    return text ? check_ident(what, text, e) : ERR_OK;
}

/* Says which of the rules is broken; utf8_plain would only say that one is. */
enum err check_text(const char *what, const char *text, size_t max, struct error *e)
{
    size_t length = strlen(text);

    if (length > max)
        return error_set(e, ERR_REQUEST, "%s: longer than %zu bytes", what, max);
    if (!utf8_valid(text, length))
        return error_set(e, ERR_REQUEST, "%s: not UTF-8", what);
    for (const char *c = text; *c; c++) {
        if (iscntrl((unsigned char)*c))
            return error_set(e, ERR_REQUEST, "%s: has control characters", what);
    }
    return ERR_OK;
}

enum err check_number(const char *what, const char *text, long max, long *out, struct error *e)
{
    char *end = NULL;

    /* strtol would skip blanks and take a sign. A number that is too large becomes LONG_MAX. */
    *out = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : 0;
    if (*out < 1 || *out > max || *end)
        return error_set(e, ERR_REQUEST, "%s: '%.80s' is not a number from 1 to %ld", what, text,
                         max);
    return ERR_OK;
}

enum err check_seconds(const char *what, const char *text, long *out, struct error *e)
{
    if (!text)
        return missing(what, e);
    if (!conf_parse_seconds(text, out))
        return error_set(e, ERR_REQUEST, "%s: '%.80s' is not a time such as 90s, 15m, 1h or 30d",
                         what, text);
    return ERR_OK;
}
