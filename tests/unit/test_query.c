/* SPDX-License-Identifier: MIT */
/* Query parameters, cursors, the choice of a format, and lists in each format. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/list.h"
#include "api/query.h"

static const struct query_parameter parameters[] = {
    {.name = "q", .kind = QUERY_TEXT, .min = 1, .max = 20},
    {.name = "agent_id", .kind = QUERY_IDENT},
    {.name = "source", .kind = QUERY_CHOICE, .choices = "ui cli vscode"},
    {.name = "from", .kind = QUERY_TIME},
    QUERY_PAGE,
    {.name = NULL},
};

static void what_is_taken(void **state)
{
    static const struct {
        const char *query, *value; /* of q; NULL: absent */
    } rows[] = {
        {"", NULL},
        {"&&", NULL},
        {"q=1", "1"},
        {"_=123&q=1&_=%zz", "1"},
        {"_", NULL},
        {"%71=1", "1"},
        {"&&q=a+b%20c&&", "a b c"},
        {"q=%c3%A9", "\xc3\xa9"},
        {"q=a=b", "a=b"},
        {"q=12345678901234567890", "12345678901234567890"},
        {"source=cli&agent_id=a:b&limit=1000&from=2026-02-06T12:00:00Z", NULL},
        {"cursor=20260206T123456.789000-7", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct query query;
        assert_int_equal(query_parse(rows[i].query, parameters, &query, NULL), ERR_OK);
        const char *value = query_text(&query, "q");
        assert_int_equal(value != NULL, rows[i].value != NULL);
        if (value)
            assert_string_equal(value, rows[i].value);
        query_free(&query);
    }
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *query, *message; /* part of the message */
    } rows[] = {
        {"agentid=a", "Unknown query parameter 'agentid'"},
        {"Q=a", "Unknown query parameter 'Q'"},
        {"q%20=a", "Unknown query parameter 'q '"},
        {"%c3%bc=1", "Unknown query parameter"},
        {"x", "Unknown query parameter 'x'"},
        {"=1", "Unknown query parameter ''"},
        {"q=1&q=1", "Query parameter 'q' is given twice"},
        {"q=%", "Query parameter 'q' is malformed"},
        {"q=%4", "Query parameter 'q' is malformed"},
        {"q=%zz", "Query parameter 'q' is malformed"},
        {"q=%4&_=1", "Query parameter 'q' is malformed"},
        {"q=a%00b", "Query parameter 'q' is malformed"},
        {"q=%ff", "Query parameter 'q' is malformed"},
        {"%ff=1", "The name of a query parameter is malformed"},
        {"a%0ab=1", "The name of a query parameter is malformed"},
        {"q", "q is text of 1 to 20 bytes"},
        {"q=", "q is text of 1 to 20 bytes"},
        {"q=%0a", "q is text of 1 to 20 bytes"},
        {"q=123456789012345678901", "q is text of 1 to 20 bytes"},
        {"agent_id=a/b", "agent_id is not an identifier"},
        {"source=c", "source is one of: ui cli vscode"},
        {"source=", "source is one of: ui cli vscode"},
        {"source=cli+vscode", "source is one of: ui cli vscode"},
        {"from=yesterday", "from is a time as in RFC 3339"},
        {"from=2026-02-06T12:00:00+02:00", "a + in it is written %2B"},
        {"limit=0", "limit is a number from 1 to 1000"},
        {"limit=1001", "limit is a number from 1 to 1000"},
        {"limit=+5", "limit is a number from 1 to 1000"},
        {"limit=5x", "limit is a number from 1 to 1000"},
        {"limit=99999999999999999999", "limit is a number from 1 to 1000"},
        {"cursor=x", "cursor was not issued by this service"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct query query;
        struct error e = {0};
        assert_int_equal(query_parse(rows[i].query, parameters, &query, &e), ERR_REQUEST);
        if (!strstr(e.detail_is_public ? e.detail : e.public_message, rows[i].message))
            fail_msg("%s: %s", rows[i].query, e.detail_is_public ? e.detail : e.public_message);
        query_free(&query);
    }
}

static void a_route_without_parameters_takes_none(void **state)
{
    struct query query;

    (void)state;
    assert_int_equal(query_parse("_=1", NULL, &query, NULL), ERR_OK);
    query_free(&query);
    assert_int_equal(query_parse("q=1", NULL, &query, NULL), ERR_REQUEST);
    query_free(&query);
}

static void written_as_it_was_read(void **state)
{
    static const char given[] = "limit=5&q=%3d%26+%25&agent_id=a:b";
    static const char written[] = "q=%3D%26%20%25&agent_id=a%3Ab&limit=5";
    struct query query;
    char out[80];

    (void)state;
    assert_int_equal(query_parse(given, parameters, &query, NULL), ERR_OK);
    assert_int_equal(query_format(&query, NULL, out, sizeof out), strlen(written));
    assert_string_equal(out, written);
    assert_int_equal(query_format(&query, "c-1", out, sizeof out), strlen(written) + 11);
    assert_string_equal(out + strlen(written), "&cursor=c-1");
    assert_int_equal(query_format(&query, NULL, out, 8), strlen(written));
    assert_string_equal(out, "q=%3D%2");
    assert_int_equal(query_number(&query, "limit", 7), 5);
    query_free(&query);
}

static void formats(void **state)
{
    static const struct {
        const char *accept;
        enum format format;
    } rows[] = {
        {NULL, FORMAT_JSON},
        {"", FORMAT_JSON},
        {"*/*", FORMAT_JSON},
        {"text/csv", FORMAT_CSV},
        {"TEXT/CSV", FORMAT_CSV},
        {"text/*", FORMAT_CSV},
        {"application/x-ndjson", FORMAT_NDJSON},
        {"application/*", FORMAT_JSON},
        {"text/csv, application/json", FORMAT_JSON},
        {"text/csv, application/json;q=0.9", FORMAT_CSV},
        {"text/csv;q=0.5, application/json;q=0.9", FORMAT_JSON},
        {"text/csv ; header=present ; Q=0.8, */*;q=0.7", FORMAT_CSV},
        {"text/csv, */*", FORMAT_CSV},
        {"*/*;q=1, application/json;q=0.1", FORMAT_CSV},
        {"application/json;q=0, application/x-ndjson;q=0.001", FORMAT_NDJSON},
        {"text/csv;q=0", FORMAT_JSON},
        {"text/csv;q=0, */*", FORMAT_JSON},
        {"text/csv;x=\",;q=0\"", FORMAT_CSV},
        {"text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", FORMAT_JSON},
        {"text/html", FORMAT_JSON},
        {"text/csvx, ,,text/cs;q=", FORMAT_JSON},
        {"text/csv;\"", FORMAT_CSV},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (list_format(rows[i].accept) != rows[i].format)
            fail_msg("%s: %d", rows[i].accept, (int)list_format(rows[i].accept));
    }
}

static const struct column columns[] = {
    {"name", COLUMN_TEXT, NULL},    {"count", COLUMN_INTEGER, NULL}, {"by", COLUMN_TEXT, "end"},
    {"cpu", COLUMN_PERCENT, "end"}, {"on", COLUMN_BOOLEAN, NULL},
};
static const struct columns things = COLUMNS("things", columns);

static struct cell cell(const char *text)
{
    return (struct cell){text, text ? strlen(text) : 0};
}

static struct response *list_in(enum format format)
{
    const struct cell rows[][5] = {
        {cell("=1+\"1\""), cell("-7"), cell("a,b"), cell("3555"), cell("1")},
        {cell("x\ny"), cell(NULL), cell(NULL), cell(NULL), cell(NULL)},
        {cell(""), cell("0"), cell("\tt"), cell("4"), cell("0")},
    };
    struct query query = {.parameters = parameters};
    struct list *list = list_new(&things, format);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        list_add(list, rows[i]);
    return list_response(list, &query, &(struct page_end){.next_cursor = "c"});
}

static void lists(void **state)
{
    static const char *const bodies[FORMAT_COUNT] = {
        [FORMAT_JSON] =
            "{\"things\":[{\"name\":\"=1+\\\"1\\\"\",\"count\":-7,\"end\":{\"by\":\"a,b\","
            "\"cpu\":35.6},\"on\":true},{\"name\":\"x\\ny\",\"count\":null,\"end\":null,"
            "\"on\":null},{\"name\":\"\",\"count\":0,\"end\":{\"by\":\"\\tt\",\"cpu\":0.0},"
            "\"on\":false}],\"next_cursor\":\"c\"}",
        [FORMAT_CSV] = "name,count,end.by,end.cpu,on\r\n"
                       "\"'=1+\"\"1\"\"\",-7,\"a,b\",35.6,true\r\n"
                       "\"x\ny\",,,,\r\n"
                       ",0,\"'\tt\",0.0,false\r\n",
        [FORMAT_NDJSON] =
            "{\"name\":\"=1+\\\"1\\\"\",\"count\":-7,\"end\":{\"by\":\"a,b\",\"cpu\":35.6},"
            "\"on\":true}\n{\"name\":\"x\\ny\",\"count\":null,\"end\":null,\"on\":null}\n"
            "{\"name\":\"\",\"count\":0,\"end\":{\"by\":\"\\tt\",\"cpu\":0.0},\"on\":false}\n",
    };

    (void)state;
    for (int format = 0; format < FORMAT_COUNT; format++) {
        struct response *response = list_in((enum format)format);
        assert_int_equal(response->body_length, strlen(bodies[format]));
        assert_memory_equal(response->body, bodies[format], response->body_length);
        assert_string_equal(response->type, list_types[format]);
        assert_string_equal(response->next, "cursor=c");
        response_release(response);
    }
}

static void cursors_round_trip(void **state)
{
    struct position position = {.at = "2026-02-06T12:34:56.789000", .id = UINT64_MAX};
    struct position again;
    char text[CURSOR_MAX + 1];

    (void)state;
    query_cursor_format(&position, text);
    assert_string_equal(text, "20260206T123456.789000-18446744073709551615");
    assert_true(query_cursor_parse(text, &again));
    assert_string_equal(again.at, position.at);
    assert_int_equal(again.id, position.id);
}

static void forged_cursors_are_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "x",
        "20260206T123456.789000",
        "20260206T123456.789000-",
        "20260206T123456.789000-x",
        "20260206T123456.789000-1 ",
        "20260206T123456.789000-01",
        "20260206T123456.789000--1",
        "20260206T123456.789000-18446744073709551616",
        "20260231T123456.789000-1",
        "20261306T123456.789000-1",
        "20260206T243456.789000-1",
        "20260206T126056.789000-1",
        "2026-206T123456.789000-1",
        "20260206 123456.789000-1",
        "20260206T123456.789-1",
    };
    struct position position;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_false(query_cursor_parse(rows[i], &position));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(a_route_without_parameters_takes_none),
        cmocka_unit_test(written_as_it_was_read),
        cmocka_unit_test(formats),
        cmocka_unit_test(lists),
        cmocka_unit_test(cursors_round_trip),
        cmocka_unit_test(forged_cursors_are_refused),
    };

    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
