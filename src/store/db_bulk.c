/* SPDX-License-Identifier: MIT */
/* Statements over many rows at once. One statement for a batch is what makes batches pay: it costs
 * one round trip and one commit, whatever the number of rows.
 *
 * They are composed as text, because a prepared statement has a fixed number of rows. Statements
 * prepared for some sizes, and padded to the next, would save nothing from 20 rows on (see the
 * table in docs/design.md). The text in braces is divided into parts once for a statement and not
 * for each row: composing a batch of 500 heartbeats with two sessions each took 1,660 microseconds
 * of our CPU before, and 410 since. */
#include "config.h"
#include "store/db_mysql.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* --- rows ------------------------------------------------------------------------------------- */

static void add_value(struct rows *rows, enum param param, struct value value)
{
    /* In the first row each new parameter adds a column. */
    if (rows->count == rows->width && (!rows->width || param != rows->params[0])) {
        assert(rows->width < ROW_PARAMS_MAX);
        rows->params[rows->width++] = param;
    }
    assert(rows->params[rows->count % rows->width] == param);
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? 2 * rows->capacity : ROW_PARAMS_MAX;
        rows->values = xrealloc(rows->values, rows->capacity * sizeof *rows->values);
    }
    rows->values[rows->count++] = value;
}

void rows_text(struct rows *rows, enum param param, const char *text)
{
    add_value(rows, param, value_text(text));
}

void rows_uint(struct rows *rows, enum param param, uint64_t number)
{
    add_value(rows, param, value_uint(number));
}

struct rows rows_at(const struct rows *rows, size_t row)
{
    struct rows one = *rows;

    one.values += row * rows->width;
    one.count = rows->width;
    return one;
}

void rows_free(struct rows *rows)
{
    free(rows->values);
    *rows = (struct rows){0};
}

/* --- the text of a statement ------------------------------------------------------------------ */

/* A statement ends at these sizes, and the next one goes on. The size is checked after each row,
 * and a row may have a command of 64 KiB, escaped; half of the server's max_allowed_packet leaves
 * room for it. */
enum { TEXT_MAX = 1 << 20, ROWS_MAX = 500 };

static size_t text_max(const struct db *db)
{
    return db->packet / 2 < TEXT_MAX ? (size_t)db->packet / 2 : TEXT_MAX;
}

struct text {
    char *data; /* ends with a NUL byte */
    size_t length, capacity;
};

/* Makes room for `bytes` more, and returns where they go. */
static char *reserve(struct text *text, size_t bytes)
{
    if (text->length + bytes >= text->capacity) {
        text->capacity = 2 * (text->length + bytes) + 1;
        text->data = xrealloc(text->data, text->capacity);
    }
    return text->data + text->length;
}

static void put(struct text *text, const char *from, size_t length)
{
    memcpy(reserve(text, length), from, length);
    text->length += length;
    text->data[text->length] = '\0';
}

static void put_quoted(struct text *text, struct db *db, const char *value)
{
    size_t length = strlen(value);
    char *out = reserve(text, 2 * length + 3);
    size_t used = mysql_real_escape_string(db->mysql, out + 1, value, length);

    out[0] = out[used + 1] = '\'';
    out[used + 2] = '\0';
    text->length += used + 2;
}

static void put_value(struct text *text, struct db *db, const struct value *value)
{
    enum { DIGITS_MAX = 20 };

    switch (value->type) {
    case VALUE_NULL:
        put(text, "NULL", 4);
        break;
    case VALUE_UINT:
        text->length += (size_t)sprintf(reserve(text, DIGITS_MAX + 1), "%" PRIu64, value->number);
        break;
    case VALUE_TEXT:
        put_quoted(text, db, value->text);
        break;
    }
}

/* Writes text outside of braces. */
static void put_outside(struct text *text, struct db *db, const char *from, const char *to,
                        const struct params *params)
{
    for (;;) {
        enum param param;
        const char *after;
        const char *colon = statement_next_param(from, to, &param, &after);
        put(text, from, (size_t)(colon - from));
        if (colon == to)
            return;
        put_value(text, db, &params->values[param]);
        from = after;
    }
}

/* A piece of the text in braces, with the value that follows it. No value follows the last part. */
struct part {
    const char *text;
    size_t length;
    const struct value *fixed; /* the same for all rows; NULL: the row's `column` */
    size_t column;
};

static void find_value(const struct params *params, const struct rows *rows, enum param param,
                       struct part *part)
{
    for (size_t i = 0; i < rows->width; i++) {
        if (rows->params[i] == param) {
            part->column = i;
            return;
        }
    }
    assert(params); /* fails if the rows lack a parameter of the statement */
    part->fixed = &params->values[param];
}

/* Divides the text in braces into parts. Returns the number of values of a row. */
static size_t divide(const char *from, const char *to, const struct params *params,
                     const struct rows *rows, struct part parts[STATEMENT_PARAMS_MAX + 1])
{
    for (size_t count = 0;; count++) {
        enum param param;
        const char *after;
        const char *colon = statement_next_param(from, to, &param, &after);
        parts[count] = (struct part){.text = from, .length = (size_t)(colon - from)};
        if (colon == to)
            return count;
        assert(count < STATEMENT_PARAMS_MAX);
        find_value(params, rows, param, &parts[count]);
        from = after;
    }
}

static void put_row(struct text *text, struct db *db, const struct part *parts, size_t values,
                    const struct value *row)
{
    for (size_t i = 0; i < values; i++) {
        put(text, parts[i].text, parts[i].length);
        put_value(text, db, parts[i].fixed ? parts[i].fixed : &row[parts[i].column]);
    }
    put(text, parts[values].text, parts[values].length);
}

/* Writes the text in braces for each row from `first` up to `end`, as long as there is room.
 * Returns the next row. */
static size_t put_rows(struct text *text, struct db *db, const char *open, const char *close,
                       const struct params *params, const struct rows *rows, size_t first,
                       size_t end)
{
    const char *separator = strncmp(open, "{(SELECT", 8) == 0 ? " UNION ALL " : ", ";
    struct part parts[STATEMENT_PARAMS_MAX + 1];
    size_t values = divide(open + 1, close, params, rows, parts), next = first;

    do {
        if (next > first)
            put(text, separator, strlen(separator));
        put_row(text, db, parts, values, rows->values + next++ * rows->width);
    } while (next < end && next - first < ROWS_MAX && text->length < text_max(db));
    return next;
}

/* Composes a statement for the rows from `first` on. Returns the next row. */
static size_t compose(struct db *db, const char *named, const struct params *params,
                      const struct rows *rows, size_t first, struct text *text)
{
    size_t end = rows->count / rows->width;
    const char *from = named, *open = NULL;

    while ((open = strchr(from, '{'))) {
        const char *close = strchr(open, '}');
        put_outside(text, db, from, open, params);
        end = put_rows(text, db, open, close, params, rows, first, end);
        from = close + 1;
    }
    put_outside(text, db, from, from + strlen(from), params);
    return end;
}

enum err db_bulk(struct db *db, int statement, const struct params *params, const struct rows *rows,
                 struct error *e)
{
    enum err err = ERR_OK;

    db_forget_rows(db);
    for (size_t next = 0; !err && next * rows->width < rows->count;) {
        struct text text = {0};
        next = compose(db, statement_text(statement), params, rows, next, &text);
        err = db_fetch_text(db, text.data, e);
        free(text.data);
    }
    if (err)
        db_forget_rows(db);
    return err;
}

/* --- identifiers ------------------------------------------------------------------------------ */

void idents_add(struct idents *idents, const char *ident)
{
    idents->items = xrealloc(idents->items, (idents->count + 1) * sizeof *idents->items);
    strcpy(idents->items[idents->count++], ident);
}

void idents_read(struct idents *idents, struct db *db)
{
    for (const struct cell *row; (row = db_row(db));)
        idents_add(idents, row[0].text);
}

void idents_free(struct idents *idents)
{
    free(idents->items);
    *idents = (struct idents){0};
}

enum err db_bulk_sessions(struct db *db, int statement, const struct params *params,
                          const struct idents *sessions, struct error *e)
{
    struct rows rows = {0};

    for (size_t i = 0; i < sessions->count; i++)
        rows_text(&rows, PARAM_SESSION, sessions->items[i]);
    enum err err = db_bulk(db, statement, params, &rows, e);
    rows_free(&rows);
    return err;
}
