/* SPDX-License-Identifier: MIT */
/* A page of a list: database rows, described by columns, as JSON, CSV or NDJSON. One description
 * makes all three, so that they cannot differ in what they contain or how it is named. */
#ifndef API_LIST_H
#define API_LIST_H

#include "api/query.h"
#include "api/response.h"
#include "store/db.h"

enum format { FORMAT_JSON, FORMAT_CSV, FORMAT_NDJSON, FORMAT_COUNT };

extern const char *const list_types[FORMAT_COUNT]; /* Content-Type */

/* Chooses the format that an Accept header (NULL: none) prefers (RFC 9110 section 12.5.1): the
 * largest q-value wins, then the more specific range, then JSON. Also JSON when none is
 * acceptable. */
enum format list_format(const char *accept);

enum column_kind {
    COLUMN_TEXT,
    COLUMN_INTEGER,
    COLUMN_BOOLEAN,
    COLUMN_PERCENT /* from hundredths of a percent, with one decimal */
};

/* A column of a list, in the order of the rows' cells. SQL NULL becomes null. */
struct column {
    const char *name;
    enum column_kind kind;
    const char *group; /* nested object, null when its first member is; NULL: none */
};

struct columns {
    const char *list; /* name of the JSON array */
    const struct column *items;
    size_t count;
};

/* A cursor is a position, or an id in lists that are ordered by id. */
_Static_assert((int)CURSOR_MAX <= (int)IDENT_MAX, "a cursor fits into an id");

#define COLUMNS(name, table)                                                                       \
    {                                                                                              \
        name, table, sizeof(table) / sizeof *(table)                                               \
    }

/* The end of a page. */
struct page_end {
    char next_cursor[IDENT_MAX + 1];                 /* "": last page */
    char searched_to[sizeof "2026-02-06T12:00:00Z"]; /* how far back a search got; "": to its end */
    bool is_search;                                  /* a search may stop before its page is full */
};

/* Borrows `columns`. */
struct list *list_new(const struct columns *columns, enum format format);
void list_free(struct list *list);

/* Adds a row with one cell for each column. */
void list_add(struct list *list, const struct cell *row);

/* Returns a row as a JSON object; the caller releases it (json_object_put). */
struct json_object *list_object(const struct columns *columns, const struct cell *row);

/* Tenths as a JSON number with one decimal: 355 is 35.5. */
struct json_object *list_tenths(int64_t value);

/* Adds a member before the list, in JSON only. */
void list_number(struct list *list, const char *name, int64_t number);

/* Frees the list, and returns the 200 response, with a link to the next page if there is one (RFC
 * 8288). `end` is NULL for a list without pages. */
struct response *list_response(struct list *list, const struct query *query,
                               const struct page_end *end);

#endif
