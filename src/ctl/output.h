/* SPDX-License-Identifier: MIT */
/* Output of commands: a list as an aligned table or as JSON, a result as JSON, and steps.
 *
 * On a terminal a table is as wide as the terminal, and long text in its last column is cut.
 * Elsewhere nothing is cut, no cell is empty, and only the last column may hold blanks, so that awk
 * can read it. In every form, control characters in data are escaped: a command line that was
 * recorded must not control the operator's terminal. */
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
    const char *absent; /* shown in the table for a missing value; NULL: - */
};

enum { OUTPUT_COLUMNS_MAX = 12 };

/* A list. The caller sets name, columns, width and json, and may set widths. */
struct output {
    const char *name; /* member of the JSON object with the rows */
    const struct output_column *columns;
    size_t width; /* number of columns */
    bool json;
    size_t widths[OUTPUT_COLUMNS_MAX]; /* minimum widths in the table */
    struct libscols_table *table;
    struct json_object *rows;
};

/* Adds a row: cells[i] is for columns[i]; NULL: no value. A boolean is "1" or "0". */
void output_row(struct output *output, const char *const cells[]);

void output_print(struct output *output);

/* For a list without an end: output_begin prints the headers; output_stream prints and removes the
 * rows so far. Columns of a table never become narrower, and nothing is cut. JSON is one object per
 * line. */
void output_begin(const struct output *output);
void output_stream(struct output *output);

/* Removes all rows. */
void output_clear(struct output *output);

/* A row as an object. */
struct json_object *output_object(const struct output *output, const char *const cells[]);

/* Prints the object on one line, or if `pretty`, on several. Releases it (json_object_put). */
void output_json(struct json_object *object, bool pretty);

/* Adds a text to an object; null when it is NULL. */
void output_member(struct json_object *object, const char *name, const char *text);

/* --- the steps of a long command: printed at once, or collected as JSON */

/* Reports a step. `result` is made, changed or kept. */
void output_step(const char *result, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* From now on, collects steps instead of printing them. */
void output_collect_steps(void);

/* Returns the steps so far, which the caller releases (json_object_put), and ends the collection.
 * NULL: they were printed. */
struct json_object *output_take_steps(void);

#endif
