/* SPDX-License-Identifier: MIT */
/* What a command prints: a list as an aligned table or as JSON, and a result as JSON.
 *
 * On a terminal a table is as wide as the terminal, and what is too long in its last column is cut.
 * Elsewhere nothing is cut, no cell is empty, and only the last column may hold blanks: good for
 * awk. Nothing in the data reaches a terminal as a control character, whatever the form. */
#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

struct libscols_table;

enum column_type { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_BOOLEAN };

struct output_column {
    const char *header, *member; /* in the table, in the JSON */
    enum column_type type;
    const char *absent; /* what the table shows for a cell without a value; NULL: - */
};

enum { OUTPUT_COLUMNS_MAX = 12 };

/* A list; `name` and what is below it are the caller's. */
struct output {
    const char *name; /* the member of the JSON object that holds the rows */
    const struct output_column *columns;
    size_t width; /* how many */
    bool json;
    size_t widths[OUTPUT_COLUMNS_MAX]; /* at least so wide, in the table */
    struct libscols_table *table;
    struct json_object *rows;
};

/* Adds a row, cells[i] for columns[i]; NULL has no value. A boolean is "1" or "0". */
void output_row(struct output *output, const char *const cells[]);

void output_print(struct output *output);

/* Of a list that goes on: output_begin prints the headers, and output_stream the rows so far, which
 * it removes. The columns of a table are as wide as those before, and nothing is cut; JSON is one
 * object a line. */
void output_begin(const struct output *output);
void output_stream(struct output *output);

/* Removes all rows. */
void output_clear(struct output *output);

/* The row as an object, to be printed by itself. */
struct json_object *output_object(const struct output *output, const char *const cells[]);

/* Prints the object as one line (`pretty`: as several), and puts it. */
void output_json(struct json_object *object, bool pretty);

/* For objects: NULL is null. */
void output_member(struct json_object *object, const char *name, const char *text);

#endif
