/* SPDX-License-Identifier: MIT */
/* Request bodies: which texts are accepted as a JSON object, and which members are valid. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/json_body.h"

enum { LIMIT = 4096 };

struct text {
    const char *at;
    size_t left;
};

static long read_text(void *gateway, char *buffer, size_t size)
{
    struct text *text = gateway;
    size_t n = text->left < size ? text->left : size;

    memcpy(buffer, text->at, n);
    text->at += n;
    text->left -= n;
    return (long)n;
}

static enum err read_bytes(const char *bytes, size_t length, struct json_object **out)
{
    struct error e = {0};
    struct text text = {bytes, length};
    struct request request = {.content_length = -1, .read_body = read_text, .gateway = &text};
    enum err err = json_body_read(&request, LIMIT, out, &e);

    assert_true(!err == (*out != NULL));
    return err;
}

static struct json_object *object_of(const char *text)
{
    struct json_object *object = NULL;

    assert_int_equal(read_bytes(text, strlen(text), &object), ERR_OK);
    return object;
}

static void objects(void **state)
{
    static const char *const rows[] = {
        "{}",
        " {\t}\r\n",
        "{\"a\": null}",
        "{\"a\": [1, {\"b\": \"\\u00e9\\ud83d\\ude00\"}]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        json_object_put(object_of(rows[i]));
}

static void no_objects(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } rows[] = {
        {"", 0},           {" ", 1},          {"null", 4},        {"[]", 2},
        {"1", 1},          {"\"{}\"", 4},     {"{", 1},           {"{\"a\"", 4},
        {"{\"a\":}", 6},   {"{}{}", 4},       {"{}x", 3},         {"{}\0", 3},
        {"\0{}", 3},       {"{/**/}", 6},     {"{\"a\":'1'}", 9}, {"{\"a\":1,}", 8},
        {"{\"a\":01}", 8}, {"{\"a\":\"}", 6}, {"{\"a\":NaN}", 9}, {"{\"a\":-Infinity}", 15},
    };
    struct json_object *object = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (read_bytes(rows[i].bytes, rows[i].length, &object) != ERR_REQUEST)
            fail_msg("%s", rows[i].bytes);
    }
}

static void too_large(void **state)
{
    struct json_object *object = NULL;
    char *text = malloc(LIMIT + 1);

    (void)state;
    memset(text, ' ', LIMIT + 1);
    memcpy(text, "{}", 2);
    assert_int_equal(read_bytes(text, LIMIT, &object), ERR_OK);
    json_object_put(object);
    assert_int_equal(read_bytes(text, LIMIT + 1, &object), ERR_TOO_LARGE);
    free(text);
}

/* Parses {"seq": VALUE}; returns whether `read` accepts it. */
typedef enum err read_fn(struct json_object *object, const char *name, struct error *e);

static bool takes(read_fn *read, const char *name, const char *value)
{
    char text[256];
    struct error e = {0};

    snprintf(text, sizeof text, "{\"%s\": %s}", name, value);
    struct json_object *object = object_of(text);
    enum err err = read(object, name, &e);
    json_object_put(object);
    if (err) {
        assert_int_equal(err, ERR_REQUEST);
        assert_memory_equal(e.public_message, name, strlen(name)); /* the message names the member */
    }
    return !err;
}

static void check_rows(read_fn *read, const char *name, const char *const *good,
                       const char *const *bad)
{
    for (; *good; good++) {
        if (!takes(read, name, *good))
            fail_msg("%s is refused: %s", name, *good);
    }
    for (; *bad; bad++) {
        if (takes(read, name, *bad))
            fail_msg("%s is taken: %s", name, *bad);
    }
}

static enum err read_integer(struct json_object *object, const char *name, struct error *e)
{
    int64_t out = 7;

    return json_body_integer(object, name, REQUIRED, 1, PROTOCOL_INTEGER_MAX, &out, e);
}

static void integers(void **state)
{
    static const char *const good[] = {"1", "1700000000000", "9007199254740991", NULL};
    static const char *const bad[] = {"0",
                                      "-1",
                                      "1.0",
                                      "1e3",
                                      "\"1\"",
                                      "true",
                                      "null",
                                      "[1]",
                                      "{}",
                                      "9223372036854775808",
                                      "18446744073709551615",
                                      "-9223372036854775808",
                                      NULL};

    (void)state;
    check_rows(read_integer, "seq", good, bad);
}

static enum err read_percent(struct json_object *object, const char *name, struct error *e)
{
    uint64_t out = 0;

    return json_body_percent(object, name, &out, e);
}

static void percents(void **state)
{
    static const struct {
        const char *text;
        uint64_t hundredths;
    } rows[] = {{"0", 0},         {"-0.0", 0},        {"0.004", 0},      {"0.006", 1},
                {"12.5", 1250},   {"99.994", 9999},   {"99.996", 10000}, {"100", 10000},
                {"100.0", 10000}, {"33.33333", 3333}, {"1e2", 10000},    {"1e-300", 0}};
    static const char *const good[] = {"1", NULL};
    static const char *const bad[] = {"-0.0001", "-1",   "100.01", "100.0000001", "1e999", "\"5\"",
                                      "true",    "null", "[]",     "{}",          NULL};

    (void)state;
    check_rows(read_percent, "cpu_percent", good, bad);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[64];
        uint64_t out = 0;
        snprintf(text, sizeof text, "{\"cpu_percent\": %s}", rows[i].text);
        struct json_object *object = object_of(text);
        assert_int_equal(json_body_percent(object, "cpu_percent", &out, NULL), ERR_OK);
        assert_int_equal(out, rows[i].hundredths);
        json_object_put(object);
    }
}

static enum err read_short_text(struct json_object *object, const char *name, struct error *e)
{
    const char *out = NULL;

    return json_body_text(object, name, REQUIRED, 8, &out, e);
}

static void texts(void **state)
{
    static const char *const good[] = {
        "\"a\"",   "\"12345678\"",         "\"\xc3\xa9\"",       "\"\\u00e9\"",
        "\"a b\"", "\"\xf0\x9f\x91\x81\"", "\"\\ud83d\\ude00\"", "\"\\\"\\\\/\"",
        NULL};
    static const char *const bad[] = {"\"\"",
                                      "\"123456789\"",
                                      "\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"",
                                      "\"a\\u0000\"",
                                      "\"\\n\"",
                                      "\"\\u001b[m\"",
                                      "\"\\u007f\"",
                                      "\"\\u0080\"",
                                      "\"\\u009f\"",
                                      "\"\xff\"",
                                      "\"\xc0\xaf\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xe2\x82\"",
                                      "1",
                                      "null",
                                      "true",
                                      "[\"a\"]",
                                      "{}",
                                      NULL};

    (void)state;
    check_rows(read_short_text, "reason", good, bad);
}

static enum err read_ident(struct json_object *object, const char *name, struct error *e)
{
    char out[IDENT_MAX + 1];

    return json_body_ident(object, name, REQUIRED, out, e);
}

static void idents(void **state)
{
    static const char *const good[] = {"\"a\"", "\"sess_1\"", "\"A-z.0:9_\"", NULL};
    static const char *const bad[] = {"\"\"",         "\"a b\"", "\"a/b\"", "\"\xc3\xa9\"",
                                      "\"a\\u0000\"", "1",       "null",    NULL};

    (void)state;
    check_rows(read_ident, "session_id", good, bad);
}

static enum err read_time(struct json_object *object, const char *name, struct error *e)
{
    char out[SQL_TIME_LENGTH + 1];

    return json_body_time(object, name, REQUIRED, out, e);
}

static void times(void **state)
{
    static const char *const good[] = {"\"2026-02-06T12:00:00Z\"", NULL};
    static const char *const bad[] = {"\"2026-02-06T12:00:00Z\\u0000\"", "\"\"", "1", "null", NULL};

    (void)state;
    check_rows(read_time, "timestamp", good, bad);
}

static enum err read_short_array(struct json_object *object, const char *name, struct error *e)
{
    struct json_object *out = NULL;

    return json_body_array(object, name, 2, &out, e);
}

static void arrays(void **state)
{
    static const char *const good[] = {"[]", "[1]", "[null, {}]", NULL};
    static const char *const bad[] = {"[1, 2, 3]", "{}", "null", "\"[]\"", "1", NULL};

    (void)state;
    check_rows(read_short_array, "sessions", good, bad);
}

/* Absent and null mean the same; a member that is present must be valid. */
static void optional_members(void **state)
{
    static const char *const rows[] = {"{}",
                                       "{\"reason\": null, \"seq\": null, \"ended_at\": null, "
                                       "\"session_id\": null}"};
    char ident[IDENT_MAX + 1], time[SQL_TIME_LENGTH + 1];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_object *object = object_of(rows[i]);
        const char *text = "x";
        int64_t number = 7;
        assert_int_equal(json_body_text(object, "reason", OPTIONAL, 8, &text, NULL), ERR_OK);
        assert_int_equal(json_body_integer(object, "seq", OPTIONAL, 1, 9, &number, NULL), ERR_OK);
        assert_int_equal(json_body_ident(object, "session_id", OPTIONAL, ident, NULL), ERR_OK);
        assert_int_equal(json_body_time(object, "ended_at", OPTIONAL, time, NULL), ERR_OK);
        assert_null(text);
        assert_int_equal(number, 7);
        assert_string_equal(ident, "");
        assert_string_equal(time, "");
        assert_int_equal(json_body_text(object, "reason", REQUIRED, 8, &text, NULL), ERR_REQUEST);
        json_object_put(object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects),   cmocka_unit_test(no_objects),
        cmocka_unit_test(too_large), cmocka_unit_test(integers),
        cmocka_unit_test(percents),  cmocka_unit_test(texts),
        cmocka_unit_test(idents),    cmocka_unit_test(times),
        cmocka_unit_test(arrays),    cmocka_unit_test(optional_members),
    };

    return cmocka_run_group_tests_name("body", tests, NULL, NULL);
}
