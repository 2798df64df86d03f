/* SPDX-License-Identifier: MIT */
/* Rows of text in aligned columns, good for awk: no cell is empty, and only the last column may
 * hold blanks or anything but ASCII. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 10 };

struct table {
    size_t columns;
    const char *headers[TABLE_COLUMNS_MAX];
    char **cells;
    size_t count; /* of cells */
    size_t capacity;
};

/* Adds the next cell, row by row. What could harm a terminal is escaped
 * (utf8_escape), as are quotes and backslashes; nothing becomes '-'. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

void table_print(const struct table *table, FILE *out);

/* Removes all rows. */
void table_clear(struct table *table);

#endif
