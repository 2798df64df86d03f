/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/query.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "base/xalloc.h"
#include "common/protocol.h"

/* --- application/x-www-form-urlencoded -------------------------------------------------------- */

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Decodes the character at text[*at], which may take three bytes; '\0' when malformed. That is no
 * loss, since %00 is refused too. */
static char decode_character(const char *text, size_t length, size_t *at)
{
    char c = text[*at];

    if (c != '%')
        return c == '+' ? ' ' : c;
    int high = *at + 2 < length ? hex_digit(text[*at + 1]) : -1;
    int low = *at + 2 < length ? hex_digit(text[*at + 2]) : -1;
    *at += 2;
    return high < 0 || low < 0 ? '\0' : (char)(high << 4 | low);
}

/* The caller frees the result. NULL when the text is malformed, not UTF-8, or contains NUL. */
static char *decode(const char *text, size_t length)
{
    char *out = xcalloc(length + 1, 1);
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        if (!(out[used++] = decode_character(text, length, &i))) {
            free(out);
            return NULL;
        }
    }
    if (utf8_valid(out, used))
        return out;
    free(out);
    return NULL;
}

/* --- cursors ---------------------------------------------------------------------------------- */

/* `20260206T120000.123000-4711`: no character needs an escape in a URL, and an operator can read
 * from where a page goes on. */
void query_cursor_format(const struct position *position, char out[CURSOR_MAX + 1])
{
    const char *t = position->at;

    snprintf(out, CURSOR_MAX + 1, "%.4s%.2s%.5s%.2s%.9s-%" PRIu64, t, t + 5, t + 8, t + 14, t + 17,
             position->id);
}

/* Formats the result again and compares, since sscanf also takes blanks, signs and missing
 * digits. */
bool query_cursor_parse(const char *text, struct position *out)
{
    struct tm given = {0};
    unsigned micro = 0;
    char again[CURSOR_MAX + 1];

    memset(out, 0, sizeof *out);
    if (sscanf(text, "%4d%2d%2dT%2d%2d%2d.%6u-%" SCNu64, &given.tm_year, &given.tm_mon,
               &given.tm_mday, &given.tm_hour, &given.tm_min, &given.tm_sec, &micro, &out->id) != 8)
        return false;
    given.tm_year -= 1900;
    given.tm_mon -= 1;
    struct tm normal = given; /* timegm turns 31 February into 3 March */
    timegm(&normal);
    size_t length = strftime(out->at, sizeof out->at, "%Y-%m-%dT%H:%M:%S", &normal);
    snprintf(out->at + length, sizeof out->at - length, ".%06u", micro);
    query_cursor_format(out, again);
    return strcmp(text, again) == 0;
}

/* --- values ----------------------------------------------------------------------------------- */

static bool is_choice(const char *choices, const char *value)
{
    size_t length = strlen(value);

    for (const char *p = choices; *p; p += strcspn(p, " "), p += *p == ' ') {
        if (strcspn(p, " ") == length && memcmp(p, value, length) == 0)
            return true;
    }
    return false;
}

/* Nine digits always fit into a long, so strtol cannot overflow. */
static bool is_number(const struct query_parameter *parameter, const char *value)
{
    enum { DIGITS_MAX = 9 };
    size_t length = strlen(value);

    if (length < 1 || length > DIGITS_MAX || strspn(value, "0123456789") != length)
        return false;
    long number = strtol(value, NULL, 10);
    return number >= parameter->min && number <= parameter->max;
}

static bool is_text(const struct query_parameter *parameter, const char *value)
{
    size_t length = strlen(value);

    return length >= (size_t)parameter->min && length <= (size_t)parameter->max &&
           utf8_plain(value, length);
}

static bool is_of_kind(const struct query_parameter *parameter, const char *value)
{
    char time[SQL_TIME_LENGTH + 1];
    struct position position;

    switch (parameter->kind) {
    case QUERY_TEXT:
        return is_text(parameter, value);
    case QUERY_IDENT:
        return ident_valid(value, strlen(value));
    case QUERY_USER:
        return ident_valid_user(value, strlen(value));
    case QUERY_CHOICE:
        return is_choice(parameter->choices, value);
    case QUERY_NUMBER:
        return is_number(parameter, value);
    case QUERY_TIME:
        return clock_parse(value, time);
    case QUERY_CURSOR:
        return query_cursor_parse(value, &position);
    }
    return false;
}

static enum err kind_error(const struct query_parameter *parameter, struct error *e)
{
    const char *name = parameter->name;

    switch (parameter->kind) {
    case QUERY_TEXT:
        return error_public_format(e, ERR_REQUEST,
                                   "%s is text of %ld to %ld bytes without control characters",
                                   name, parameter->min, parameter->max);
    case QUERY_IDENT:
    case QUERY_USER:
        return error_public_format(e, ERR_REQUEST, "%s is not an identifier", name);
    case QUERY_CHOICE:
        return error_public_format(e, ERR_REQUEST, "%s is one of: %s", name, parameter->choices);
    case QUERY_NUMBER:
        return error_public_format(e, ERR_REQUEST, "%s is a number from %ld to %ld", name,
                                   parameter->min, parameter->max);
    case QUERY_TIME:
        return error_public_format(
            e, ERR_REQUEST,
            "%s is a time as in RFC 3339, such as 2026-02-06T12:00:00Z; a + in it "
            "is written %%2B",
            name);
    case QUERY_CURSOR:
        return error_public_format(e, ERR_REQUEST, "%s was not issued by this service", name);
    }
    return ERR_REQUEST;
}

/* --- parsing ---------------------------------------------------------------------------------- */

/* Returns QUERY_PARAMETERS_MAX when the table lacks the name. */
static size_t find(const struct query_parameter *parameters, const char *name)
{
    for (size_t i = 0; parameters && parameters[i].name; i++) {
        if (strcmp(parameters[i].name, name) == 0)
            return i;
    }
    return QUERY_PARAMETERS_MAX;
}

/* Names the parameter in the message if it is short and ASCII. The name comes from the client, and
 * the message goes into a log and onto a terminal. */
static enum err unknown_parameter(const char *name, struct error *e)
{
    enum { NAME_MAX_LENGTH = 64 };

    if (strlen(name) > NAME_MAX_LENGTH)
        return error_public(e, ERR_REQUEST, "Unknown query parameter");
    for (const char *c = name; *c; c++) {
        if ((unsigned char)*c > 127)
            return error_public(e, ERR_REQUEST, "Unknown query parameter");
    }
    return error_public_format(e, ERR_REQUEST, "Unknown query parameter '%s'", name);
}

static enum err set_value(struct query *query, const char *name, const char *text, size_t length,
                          struct error *e)
{
    size_t i = find(query->parameters, name);

    if (i == QUERY_PARAMETERS_MAX)
        return unknown_parameter(name, e);
    if (query->values[i])
        return error_public_format(e, ERR_REQUEST, "Query parameter '%s' is given twice", name);
    query->values[i] = decode(text, length);
    if (!query->values[i])
        return error_public_format(e, ERR_REQUEST, "Query parameter '%s' is malformed", name);
    return is_of_kind(&query->parameters[i], query->values[i])
               ? ERR_OK
               : kind_error(&query->parameters[i], e);
}

/* Parses NAME=VALUE, or NAME alone. */
static enum err parse_pair(struct query *query, const char *pair, size_t length, struct error *e)
{
    const char *equals = memchr(pair, '=', length);
    size_t name_length = equals ? (size_t)(equals - pair) : length;
    const char *value = equals ? equals + 1 : pair + length;
    char *name = decode(pair, name_length);
    enum err err = ERR_OK;

    if (!name || !utf8_plain(name, strlen(name)))
        err = error_public(e, ERR_REQUEST, "The name of a query parameter is malformed");
    else if (strcmp(name, "_") != 0)
        err = set_value(query, name, value, (size_t)(pair + length - value), e);
    free(name);
    return err;
}

enum err query_parse(const char *text, const struct query_parameter *parameters, struct query *out,
                     struct error *e)
{
    enum err err = ERR_OK;

    *out = (struct query){.parameters = parameters};
    while (!err && *text) {
        size_t length = strcspn(text, "&");
        if (length)
            err = parse_pair(out, text, length, e);
        text += length + (text[length] == '&');
    }
    return err;
}

void query_free(struct query *query)
{
    for (size_t i = 0; i < QUERY_PARAMETERS_MAX; i++)
        free(query->values[i]);
    *query = (struct query){0};
}

/* --- access ----------------------------------------------------------------------------------- */

const char *query_text(const struct query *query, const char *name)
{
    size_t i = find(query->parameters, name);

    return i < QUERY_PARAMETERS_MAX ? query->values[i] : NULL;
}

long query_number(const struct query *query, const char *name, long fallback)
{
    const char *value = query_text(query, name);

    return value ? strtol(value, NULL, 10) : fallback;
}

bool query_position(const struct query *query, struct position *out)
{
    const char *cursor = query_text(query, "cursor");

    return cursor && query_cursor_parse(cursor, out);
}

/* Text of limited size. Its length is counted past the end, as snprintf does, so that the caller
 * sees that it was cut. */
struct output {
    char *text;
    size_t size, length;
};

static void put(struct output *out, char c)
{
    if (out->length + 1 < out->size)
        out->text[out->length] = c;
    out->length++;
}

static void put_encoded(struct output *out, const char *text)
{
    static const char unreserved[] = /* RFC 3986 section 2.3 */
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    static const char digits[] = "0123456789ABCDEF";

    for (; *text; text++) {
        if (strchr(unreserved, *text)) {
            put(out, *text);
            continue;
        }
        put(out, '%');
        put(out, digits[(unsigned char)*text >> 4]);
        put(out, digits[(unsigned char)*text & 15]);
    }
}

/* In the order of the table, so that two requests with the same parameters in another order have
 * the same key. */
size_t query_format(const struct query *query, const char *cursor, char *out, size_t size)
{
    struct output output = {.text = out, .size = size};
    const struct query_parameter *parameter = query->parameters;

    for (size_t i = 0; parameter && parameter[i].name; i++) {
        const char *value = query->values[i];
        if (cursor && strcmp(parameter[i].name, "cursor") == 0)
            value = cursor;
        if (!value)
            continue;
        if (output.length)
            put(&output, '&');
        put_encoded(&output, parameter[i].name);
        put(&output, '=');
        put_encoded(&output, value);
    }
    if (size)
        out[output.length < size ? output.length : size - 1] = '\0';
    return output.length;
}
