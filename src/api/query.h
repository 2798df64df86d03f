/* SPDX-License-Identifier: MIT */
/* The query parameters of a request, checked against the table of its route. */
#ifndef API_QUERY_H
#define API_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum query_kind {
    QUERY_TEXT, /* `min` to `max` bytes of UTF-8 without control characters */
    QUERY_IDENT,
    QUERY_USER,   /* a user's id */
    QUERY_CHOICE, /* one of `choices` */
    QUERY_NUMBER, /* from `min` to `max` */
    QUERY_TIME,   /* RFC 3339 */
    QUERY_CURSOR  /* as cursor_format writes it */
};

struct query_parameter {
    const char *name;
    enum query_kind kind;
    long min, max;
    const char *choices; /* with a space between each two */
};

/* The pages of a list. */
enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };
#define QUERY_PAGE                                                                                 \
    {.name = "limit", .kind = QUERY_NUMBER, .min = 1, .max = PAGE_MAX},                            \
    {                                                                                              \
        .name = "cursor", .kind = QUERY_CURSOR                                                     \
    }

enum { QUERY_PARAMETERS_MAX = 16 };

/* What a request gives of the parameters of its route. */
struct query {
    const struct query_parameter *parameters; /* ended by one without a name; NULL: none */
    char *values[QUERY_PARAMETERS_MAX];       /* decoded, owned; NULL: not given */
};

/* Parses a query string. ERR_REQUEST, which names it, for a parameter that the table lacks, that
 * is given twice, or whose value is not of its kind. `_` is ignored: caches and jQuery add it.
 * Free *out in any case. */
enum err query_parse(const char *text, const struct query_parameter *parameters, struct query *out,
                     struct error *e);
void query_free(struct query *query);

/* The value of a parameter; NULL or the fallback when it is not given. */
const char *query_text(const struct query *query, const char *name);
long query_number(const struct query *query, const char *name, long fallback);

/* Writes the parameters that are given to out[size] as a query string, in the order of the table,
 * with `cursor` for theirs unless it is NULL. Returns its length, which may be over size - 1: then
 * it is cut. */
size_t query_format(const struct query *query, const char *cursor, char *out, size_t size);

#endif
