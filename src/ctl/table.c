/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/xalloc.h"

enum { GAP = 2, CELL_MAX = 1024 };

void table_add(struct table *table, const char *format, ...)
{
    char text[CELL_MAX], shown[2 * CELL_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    utf8_escape(shown, sizeof shown, text, "\"\\");
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 64;
        table->cells = xrealloc(table->cells, table->capacity * sizeof *table->cells);
    }
    table->cells[table->count++] = xstrdup(*shown ? shown : "-");
}

static void print_row(const struct table *table, const char *const *cells, const int *widths,
                      FILE *out)
{
    size_t last = table->columns - 1;

    for (size_t i = 0; i < last; i++)
        fprintf(out, "%-*s", widths[i] + GAP, cells[i]);
    fprintf(out, "%s\n", cells[last]);
}

void table_print(const struct table *table, FILE *out)
{
    const char *const *cells = (const char *const *)table->cells;
    int widths[TABLE_COLUMNS_MAX];

    for (size_t i = 0; i < table->columns; i++)
        widths[i] = (int)strlen(table->headers[i]);
    for (size_t i = 0; i < table->count; i++) {
        int width = (int)strlen(cells[i]);
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    print_row(table, table->headers, widths, out);
    for (size_t i = 0; i < table->count; i += table->columns)
        print_row(table, cells + i, widths, out);
}

void table_clear(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    table->cells = NULL;
    table->count = table->capacity = 0;
}
