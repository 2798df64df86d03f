/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/list.h"

#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/xalloc.h"

/* --- content negotiation ---------------------------------------------------------------------- */

const char *const list_types[FORMAT_COUNT] = {
    [FORMAT_JSON] = "application/json",
    [FORMAT_CSV] = "text/csv; charset=utf-8; header=present",
    [FORMAT_NDJSON] = "application/x-ndjson",
};

/* Kinds of matching media ranges, from the least specific on. */
enum fit { FIT_NONE, FIT_ALL, FIT_TYPE, FIT_EXACT };

/* Parameters of our own type, such as charset, are not compared: a client that lists text/csv takes
 * any of it. */
static enum fit fit_of(const char *range, size_t length, enum format format)
{
    const char *type = list_types[format];
    size_t type_length = strcspn(type, ";"), main_length = strcspn(type, "/") + 1;

    if (length == type_length && strncasecmp(range, type, length) == 0)
        return FIT_EXACT;
    if (length == main_length + 1 && strncasecmp(range, type, main_length) == 0 &&
        range[main_length] == '*')
        return FIT_TYPE;
    return length == 3 && memcmp(range, "*/*", 3) == 0 ? FIT_ALL : FIT_NONE;
}

/* Finds the end of an element or a parameter: one of `ends` outside quotes. */
static const char *end_of(const char *p, const char *ends)
{
    for (bool quoted = false; *p && (quoted || !strchr(ends, *p)); p++) {
        if (quoted && *p == '\\' && p[1])
            p++;
        else if (*p == '"')
            quoted = !quoted;
    }
    return p;
}

/* The q-value among the parameters from `p` to `end`, in thousandths. */
static int weight_of(const char *p, const char *end)
{
    for (; p < end; p = end_of(p, ";,")) {
        p += *p == ';';
        p += strspn(p, " \t");
        if (strncasecmp(p, "q=", 2) == 0)
            return (int)(1000 * strtod(p + 2, NULL) + 0.5);
    }
    return 1000;
}

struct preference {
    enum fit fit; /* of the most specific range, which alone counts */
    int weight;
};

static void note_range(const char *range, const char *end, struct preference all[FORMAT_COUNT])
{
    const char *name_end = range + strcspn(range, " \t;,");
    int weight = weight_of(end_of(range, ";,"), end);

    for (int i = 0; i < FORMAT_COUNT; i++) {
        enum fit fit = fit_of(range, (size_t)(name_end - range), (enum format)i);
        if (fit > all[i].fit)
            all[i] = (struct preference){fit, weight};
    }
}

static bool is_better(const struct preference *a, const struct preference *b)
{
    return a->weight != b->weight ? a->weight > b->weight : a->fit > b->fit;
}

/* Never answers 406: a client that accepts nothing of ours gets JSON, whose errors it must
 * understand anyway. */
enum format list_format(const char *accept)
{
    struct preference all[FORMAT_COUNT] = {0};
    int best = FORMAT_JSON;

    for (const char *p = accept ? accept : ""; *p;) {
        const char *end = end_of(p, ",");
        note_range(p + strspn(p, " \t"), end, all);
        p = end + (*end == ',');
    }
    for (int i = 1; i < FORMAT_COUNT; i++) {
        if (all[i].weight > 0 && is_better(&all[i], &all[best]))
            best = i;
    }
    return (enum format)best;
}

/* --- values ----------------------------------------------------------------------------------- */

enum { LINK_MAX = 2048, PRINTED_MAX = 32 };

struct list {
    const struct columns *columns;
    enum format format;
    struct json_object *body, *array; /* JSON; the array joins the body at the end */
    FILE *stream;                     /* CSV and NDJSON */
    char *text;
    size_t length;
};

static void print_tenths(int64_t value, char buffer[PRINTED_MAX])
{
    snprintf(buffer, PRINTED_MAX, "%" PRId64 ".%d", value / 10, (int)(value % 10));
}

/* The number keeps its text: json-c would print 62.3 as 62.299999999999997. */
struct json_object *list_tenths(int64_t value)
{
    char text[PRINTED_MAX];

    print_tenths(value, text);
    return json_object_new_double_s((double)value / 10, text);
}

/* Formats a value; text is returned as it is, other kinds in `buffer`. */
static const char *print(const struct column *column, const struct cell *cell,
                         char buffer[PRINTED_MAX])
{
    int64_t number = cell_int(cell);

    switch (column->kind) {
    case COLUMN_TEXT:
        return cell->text;
    case COLUMN_INTEGER:
        snprintf(buffer, PRINTED_MAX, "%" PRId64, number);
        break;
    case COLUMN_BOOLEAN:
        snprintf(buffer, PRINTED_MAX, "%s", number ? "true" : "false");
        break;
    case COLUMN_PERCENT:
        print_tenths((number + 5) / 10, buffer);
        break;
    }
    return buffer;
}

static struct json_object *value_of(const struct column *column, const struct cell *cell)
{
    if (!cell->text)
        return NULL;
    switch (column->kind) {
    case COLUMN_INTEGER:
        return json_object_new_int64(cell_int(cell));
    case COLUMN_BOOLEAN:
        return json_object_new_boolean(cell_int(cell) != 0);
    case COLUMN_PERCENT:
        return list_tenths((cell_int(cell) + 5) / 10);
    case COLUMN_TEXT:
        break;
    }
    return json_object_new_string_len(cell->text, (int)cell->length);
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* The object that a column belongs to; NULL when its group is null. The group's first column
 * decides that: a termination without a requester has not been requested. */
static struct json_object *member_of(struct json_object *row, const struct column *column,
                                     bool filled)
{
    struct json_object *group = NULL;

    if (!column->group)
        return row;
    if (json_object_object_get_ex(row, column->group, &group))
        return group;
    group = filled ? json_object_new_object() : NULL;
    json_object_object_add(row, column->group, group);
    return group;
}

struct json_object *list_object(const struct columns *columns, const struct cell *row)
{
    struct json_object *object = json_object_new_object();

    for (size_t i = 0; i < columns->count; i++) {
        const struct column *column = &columns->items[i];
        struct json_object *owner = member_of(object, column, row[i].text != NULL);
        if (owner)
            json_object_object_add(owner, column->name, value_of(column, &row[i]));
    }
    return object;
}

/* NDJSON: a line for each row, which tools that read lines can take. */
static void add_line(struct list *list, struct json_object *row)
{
    fprintf(list->stream, "%s\n",
            json_object_to_json_string_ext(row, JSON_C_TO_STRING_PLAIN |
                                                    JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(row);
}

/* --- CSV (RFC 4180) --------------------------------------------------------------------------- */

/* Spreadsheets take text that begins with one of these for a formula, and commands are written by
 * the people whose sessions they are. An apostrophe in front makes it text. */
static bool is_formula(const char *text)
{
    return *text && strchr("=+-@\t\r", *text);
}

/* Quotes a cell only where RFC 4180 section 2 demands it. */
static void put_cell(FILE *out, const char *text, bool may_be_formula)
{
    const char *escape = may_be_formula && is_formula(text) ? "'" : "";

    if (!*escape && !text[strcspn(text, "\",\r\n")]) {
        fputs(text, out);
        return;
    }
    fprintf(out, "\"%s", escape);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', out);
        putc(*text, out);
    }
    putc('"', out);
}

static void add_header(struct list *list)
{
    for (size_t i = 0; i < list->columns->count; i++) {
        const struct column *column = &list->columns->items[i];
        fprintf(list->stream, "%s%s%s%s", i ? "," : "", column->group ? column->group : "",
                column->group ? "." : "", column->name);
    }
    fputs("\r\n", list->stream);
}

static void add_record(struct list *list, const struct cell *row)
{
    char printed[PRINTED_MAX];

    for (size_t i = 0; i < list->columns->count; i++) {
        const struct column *column = &list->columns->items[i];
        if (i)
            putc(',', list->stream);
        if (row[i].text)
            put_cell(list->stream, print(column, &row[i], printed), column->kind == COLUMN_TEXT);
    }
    fputs("\r\n", list->stream);
}

/* --- the list --------------------------------------------------------------------------------- */

/* CSV and NDJSON are written as the rows come, so a page of them costs only its text. JSON needs
 * the whole tree, since the members of json-c's objects are printed at the end. */
struct list *list_new(const struct columns *columns, enum format format)
{
    struct list *list = xcalloc(1, sizeof *list);

    list->columns = columns;
    list->format = format;
    list->body = json_object_new_object();
    if (format == FORMAT_JSON)
        list->array = json_object_new_array();
    else
        list->stream = xmemstream(&list->text, &list->length);
    if (format == FORMAT_CSV)
        add_header(list);
    return list;
}

void list_free(struct list *list)
{
    if (list->stream)
        xfclose(list->stream);
    json_object_put(list->array);
    json_object_put(list->body);
    free(list->text);
    free(list);
}

void list_add(struct list *list, const struct cell *row)
{
    switch (list->format) {
    case FORMAT_CSV:
        add_record(list, row);
        break;
    case FORMAT_NDJSON:
        add_line(list, list_object(list->columns, row));
        break;
    default:
        json_object_array_add(list->array, list_object(list->columns, row));
        break;
    }
}

void list_number(struct list *list, const char *name, int64_t number)
{
    json_object_object_add(list->body, name, json_object_new_int64(number));
}

static struct json_object *text_or_null(const char *text)
{
    return *text ? json_object_new_string(text) : NULL;
}

static struct response *json_response(struct list *list, const struct page_end *end)
{
    struct json_object *body = list->body;

    json_object_object_add(body, list->columns->list, list->array);
    list->array = list->body = NULL;
    if (end)
        json_object_object_add(body, "next_cursor", text_or_null(end->next_cursor));
    if (end && end->is_search)
        json_object_object_add(body, "searched_to", text_or_null(end->searched_to));
    return response_json(200, body);
}

/* CSV and NDJSON have no place for a cursor: it is in the Link header only. */
static struct response *text_response(struct list *list)
{
    xfclose(list->stream);
    list->stream = NULL;
    struct response *response =
        response_text(200, list_types[list->format], list->text, list->length);
    list->text = NULL;
    return response;
}

struct response *list_response(struct list *list, const struct query *query,
                               const struct page_end *end)
{
    struct response *response =
        list->format == FORMAT_JSON ? json_response(list, end) : text_response(list);
    char link[LINK_MAX];

    response->negotiated = true;
    if (end && *end->next_cursor &&
        query_format(query, end->next_cursor, link, sizeof link) < sizeof link)
        response->next = xstrdup(link);
    list_free(list);
    return response;
}
