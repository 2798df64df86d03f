/* SPDX-License-Identifier: MIT */
/* Statements over many rows at once, composed as text: the number of rows differs each time, which
 * a prepared statement cannot do. */
#include "config.h"
#include "store/db_mysql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* When a statement is closed. Half of what the server takes leaves room for one row more. */
enum { TEXT_MAX = 1 << 20, ROWS_MAX = 500 };

static long text_max(const struct db *db)
{
    return db->packet / 2 < TEXT_MAX ? (long)db->packet / 2 : TEXT_MAX;
}

static void put_value(FILE *out, struct db *db, const struct params *params, enum param param)
{
    const char *text = params->values[param].text;

    switch (params->values[param].type) {
    case PARAM_NULL:
        fputs("NULL", out);
        break;
    case PARAM_UINT:
        fprintf(out, "%" PRIu64, params->values[param].number);
        break;
    case PARAM_TEXT: {
        size_t length = strlen(text);
        char *escaped = xcalloc(2 * length + 1, 1);
        unsigned long used = mysql_real_escape_string(db->mysql, escaped, text, length);
        fprintf(out, "'%.*s'", (int)used, escaped);
        free(escaped);
    }
    }
}

/* Writes the text from `from` to `to`, with values for names. */
static void put_text(FILE *out, struct db *db, const char *from, const char *to,
                     const struct params *params)
{
    bool quoted = false;

    for (const char *p = from; p < to; p++) {
        quoted ^= *p == '\'';
        if (quoted || *p != ':') {
            fputc(*p, out);
            continue;
        }
        size_t length = 0;
        put_value(out, db, params, statement_param(p + 1, &length));
        p += length;
    }
}

/* Composes a statement of the first rows; returns how many these are. */
static size_t compose(struct db *db, const char *named, const struct params *rows, size_t count,
                      char **sql, size_t *length)
{
    const char *open = strchr(named, '{'), *close = strchr(named, '}');
    FILE *out = xmemstream(sql, length);
    size_t done = 0;

    put_text(out, db, named, open, rows);
    do {
        if (done)
            fputs(", ", out);
        put_text(out, db, open + 1, close, &rows[done++]);
    } while (done < count && done < ROWS_MAX && ftell(out) < text_max(db));
    put_text(out, db, close + 1, close + strlen(close), rows);
    xfclose(out);
    return done;
}

enum err db_bulk(struct db *db, int statement, const struct params *rows, size_t count, row_fn *row,
                 void *context, struct error *e)
{
    enum err err = ERR_OK;

    for (size_t done = 0; !err && done < count;) {
        char *sql = NULL;
        size_t length = 0;
        done += compose(db, statements[statement], rows + done, count - done, &sql, &length);
        err = db_text(db, sql, row, context, e);
        free(sql);
    }
    return err;
}
