/* SPDX-License-Identifier: MIT */
/* The query parameters of a request, checked against its route's table. Unknown, repeated and
 * malformed parameters are errors: when they were ignored, `?agentid=` listed everything, and
 * `?reson=` ended a session without its reason. */
#ifndef API_QUERY_H
#define API_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "store/db.h"

enum query_kind {
    QUERY_TEXT, /* `min` to `max` bytes of UTF-8, no control characters */
    QUERY_IDENT,
    QUERY_USER,   /* a user's id */
    QUERY_CHOICE, /* one of `choices` */
    QUERY_NUMBER, /* from `min` to `max` */
    QUERY_TIME,   /* RFC 3339 */
    QUERY_CURSOR  /* as written by query_cursor_format */
};

struct query_parameter {
    const char *name;
    enum query_kind kind;
    long min, max;
    const char *choices; /* separated by spaces */
};

/* The parameters of a list with pages. */
enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };
#define QUERY_PAGE                                                                                 \
    {.name = "limit", .kind = QUERY_NUMBER, .min = 1, .max = PAGE_MAX},                            \
    {                                                                                              \
        .name = "cursor", .kind = QUERY_CURSOR                                                     \
    }

enum { QUERY_PARAMETERS_MAX = 16 };

/* The parameters that a request gives. A table ends with an entry without a name. */
struct query {
    const struct query_parameter *parameters; /* the route's table; NULL: none */
    char *values[QUERY_PARAMETERS_MAX];       /* decoded, owned; NULL: not given */
};

/* Parses a query string. ERR_REQUEST, which names the parameter, when the table lacks it, when it
 * is given twice, or when its value is invalid. `_` is ignored: caches and jQuery add it. Free *out
 * in any case. */
enum err query_parse(const char *text, const struct query_parameter *parameters, struct query *out,
                     struct error *e);
void query_free(struct query *query);

/* The value of a parameter; NULL or `fallback` when it is absent. */
const char *query_text(const struct query *query, const char *name);
long query_number(const struct query *query, const char *name, long fallback);

/* The position in the parameter `cursor`; false, and *out unchanged, when it is absent. */
bool query_position(const struct query *query, struct position *out);

/* Paging cursors: a keyset position as text that needs no escaping in a URL. A cursor grants
 * nothing: each page is read in its caller's scope. query_cursor_parse returns false unless
 * query_cursor_format could have written `text`. */
enum { CURSOR_MAX = 48 };
void query_cursor_format(const struct position *position, char out[CURSOR_MAX + 1]);
bool query_cursor_parse(const char *text, struct position *out);

/* Writes the given parameters to out[size] as a query string, in the order of the table. A `cursor`
 * that is not NULL replaces the one given. Returns the full length; the text is cut at size - 1. */
size_t query_format(const struct query *query, const char *cursor, char *out, size_t size);

#endif
