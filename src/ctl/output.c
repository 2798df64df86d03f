/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/output.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libsmartcols.h>

#include "base/utf8.h"
#include "base/xalloc.h"

#define GAP "  "

/* --- JSON ------------------------------------------------------------------------------------ */

void output_member(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, text ? json_object_new_string(text) : NULL);
}

static struct json_object *json_value(const struct output_column *column, const char *cell)
{
    if (!cell)
        return NULL;
    switch (column->type) {
    case COLUMN_NUMBER: /* unchanged: 12.5, and not 12.500000000000001 */
        return json_object_new_double_s(strtod(cell, NULL), cell);
    case COLUMN_BOOLEAN:
        return json_object_new_boolean(strcmp(cell, "0") != 0);
    default:
        return json_object_new_string(cell);
    }
}

struct json_object *output_object(const struct output *output, const char *const cells[])
{
    struct json_object *object = json_object_new_object();

    for (size_t i = 0; i < output->width; i++)
        json_object_object_add(object, output->columns[i].member,
                               json_value(&output->columns[i], cells[i]));
    return object;
}

/* Prints JSON, and writes characters that can harm a terminal as \u escapes: DEL, C1, and those
 * that change the direction of text. json-c does not escape them. They occur in strings only. */
static void print_harmless(const char *text)
{
    char shown[16];

    while (*text) {
        size_t n = utf8_character(text, strnlen(text, 4));
        char character[5] = "";
        memcpy(character, text, n ? n : 1);
        text += n ? n : 1;
        if (*character == '\n' || *character == '\\') { /* written by json-c itself */
            putchar(*character);
            continue;
        }
        utf8_escape(shown, sizeof shown, character, "");
        if (n == 0)
            fputs("\\ufffd", stdout);
        else if (shown[0] == '\\' && shown[1] == 'x')
            printf("\\u00%s", shown + 2);
        else if (shown[0] == '\\' && shown[1] == 'U') /* U+E0000 to U+E007F */
            printf("\\udb40\\udc%s", shown + 8);
        else
            fputs(shown, stdout);
    }
}

void output_json(struct json_object *object, bool pretty)
{
    int flags = JSON_C_TO_STRING_NOSLASHESCAPE |
                (pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : 0);

    print_harmless(json_object_to_json_string_ext(object, flags));
    putchar('\n');
    json_object_put(object);
}

/* --- the table ------------------------------------------------------------------------------- */

static struct libscols_table *new_table(const struct output *output)
{
    setlocale(LC_CTYPE, "C.UTF-8"); /* the encoding of all data, whatever the environment says */
    struct libscols_table *table = scols_new_table();
    if (!table)
        abort();
    scols_table_enable_noencoding(table, 1); /* utf8_escape covers more */
    scols_table_set_column_separator(table, GAP);
    for (size_t i = 0; i < output->width; i++) {
        const struct output_column *column = &output->columns[i];
        int flags = i + 1 == output->width          ? SCOLS_FL_TRUNC
                    : column->type == COLUMN_NUMBER ? SCOLS_FL_RIGHT
                                                    : 0;
        if (!scols_table_new_column(table, column->header, (double)output->widths[i], flags))
            abort();
    }
    return table;
}

static const char *shown(const struct output_column *column, const char *cell)
{
    if (!cell || !*cell)
        return column->absent ? column->absent : "-";
    if (column->type == COLUMN_BOOLEAN)
        return strcmp(cell, "0") != 0 ? "yes" : "no";
    return cell;
}

/* A table keeps its rows until it is printed: the widths of its columns depend on all of them. */
static void table_row(struct output *output, const char *const cells[])
{
    if (!output->table)
        output->table = new_table(output);
    struct libscols_line *line = scols_table_new_line(output->table, NULL);

    for (size_t i = 0; i < output->width; i++) {
        const char *text = shown(&output->columns[i], cells[i]);
        size_t size = 10 * strlen(text) + 1; /* the longest escape is \U000e0001 */
        char *escaped = xcalloc(1, size);
        utf8_escape(escaped, size, text, "\"\\");
        if (!line || scols_line_refer_data(line, i, escaped))
            abort();
    }
}

/* libsmartcols prints nothing for a table without rows. */
static void print_headers(const struct output *output)
{
    for (size_t i = 0; i < output->width; i++)
        printf("%s%-*s", i ? GAP : "", (int)output->widths[i], output->columns[i].header);
    putchar('\n');
}

/* --- lists ----------------------------------------------------------------------------------- */

void output_row(struct output *output, const char *const cells[])
{
    if (!output->json) {
        table_row(output, cells);
        return;
    }
    if (!output->rows)
        output->rows = json_object_new_array();
    json_object_array_add(output->rows, output_object(output, cells));
}

void output_print(struct output *output)
{
    if (output->json) {
        struct json_object *list = json_object_new_object();
        json_object_object_add(list, output->name,
                               output->rows ? output->rows : json_object_new_array());
        output->rows = NULL;
        output_json(list, true);
    } else if (output->table) {
        scols_print_table(output->table);
    } else {
        print_headers(output);
    }
}

/* --- lists that go on ------------------------------------------------------------------------ */

void output_begin(const struct output *output)
{
    if (!output->json)
        print_headers(output);
}

/* Prints the rows so far, and keeps the widths that they needed: what comes next is aligned with
 * what stands on the screen already. */
static void stream_table(struct output *output)
{
    scols_table_enable_noheadings(output->table, 1);
    scols_table_set_termforce(output->table, SCOLS_TERMFORCE_NEVER); /* cut nothing */
    scols_print_table(output->table);
    for (size_t i = 0; i + 1 < output->width; i++) {
        size_t width = scols_column_get_width(scols_table_get_column(output->table, i));
        output->widths[i] = width > output->widths[i] ? width : output->widths[i];
    }
}

void output_stream(struct output *output)
{
    size_t count = output->rows ? json_object_array_length(output->rows) : 0;

    for (size_t i = 0; i < count; i++)
        output_json(json_object_get(json_object_array_get_idx(output->rows, i)), false);
    if (output->table)
        stream_table(output);
    output_clear(output);
}

void output_clear(struct output *output)
{
    if (output->table)
        scols_unref_table(output->table);
    json_object_put(output->rows);
    output->table = NULL;
    output->rows = NULL;
}

/* --- steps ------------------------------------------------------------------------------------ */

static struct json_object *steps; /* NULL: print each at once */

void output_step(const char *result, const char *format, ...)
{
    char what[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (!steps) {
        printf("%-7s %s\n", result, what);
        fflush(stdout);
        return;
    }
    struct json_object *step = json_object_new_object();
    output_member(step, "result", result);
    output_member(step, "what", what);
    json_object_array_add(steps, step);
}

void output_collect_steps(void)
{
    steps = json_object_new_array();
}

struct json_object *output_take_steps(void)
{
    struct json_object *taken = steps;

    steps = NULL;
    return taken;
}
