/* SPDX-License-Identifier: MIT */
/* A page of a list: rows of the database, which its columns describe, as JSON, CSV or NDJSON. */
#ifndef API_LIST_H
#define API_LIST_H

#include "api/format.h"
#include "api/query.h"
#include "api/response.h"
#include "store/db.h"

enum column_kind {
    COLUMN_TEXT,
    COLUMN_INTEGER,
    COLUMN_BOOLEAN,
    COLUMN_PERCENT /* of hundredths of a percent, with one decimal */
};

/* A column of a list and of the rows that it is made of, in the same order; SQL NULL is null. */
struct column {
    const char *name;
    enum column_kind kind;
    const char
        *group; /* the object that it is a member of, null when its first one is; NULL: none */
};

struct columns {
    const char *list; /* the name of the array */
    const struct column *items;
    size_t count;
};

#define COLUMNS(name, table)                                                                       \
    {                                                                                              \
        name, table, sizeof(table) / sizeof *(table)                                               \
    }

/* How a page ends. */
struct page_end {
    const char *next_cursor; /* NULL: it is the last one */
    const char *searched_to; /* RFC 3339: how far back a search has come; NULL: to its end */
    bool is_search;          /* it may have to stop before the page is full */
};

/* `columns` is borrowed. */
struct list *list_new(const struct columns *columns, enum format format);
void list_free(struct list *list);

/* Adds a row, whose cells are those of the columns. */
void list_add(struct list *list, const struct cell *row);

/* A row as an object, as it is in a list; the caller puts it. */
struct json_object *list_object(const struct columns *columns, const struct cell *row);

/* Adds a member that JSON has before the list. */
void list_number(struct list *list, const char *name, int64_t number);

/* Frees the list, and returns the response to `query`: 200, with a link to the next page if there
 * is one (RFC 8288). `end` is NULL for a list that has no pages. */
struct response *list_response(struct list *list, const struct query *query,
                               const struct page_end *end);

#endif
