/* SPDX-License-Identifier: MIT */
/* base/json: which texts are JSON, and the bounds. Follows the public JSONTestSuite's kinds: texts
 * that every parser must accept, texts that it must refuse, and texts that it may accept or
 * refuse. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json.h>

#include "base/json.h"

/* A text with its length, which may hold NUL bytes. */
#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

struct text {
    const char *bytes;
    size_t length;
};

static const struct text must_accept[] = {
    /* arrays */
    TEXT("[]"), TEXT("[[]   ]"), TEXT("[\"\"]"), TEXT("[1,null,\"1\",{}]"), TEXT(" [1]"),
    TEXT("[1\n]"), TEXT("[2] "), TEXT("[null, 1, null, 2]"), TEXT("[false]"),
    /* numbers */
    TEXT("[0]"), TEXT("[-0]"), TEXT("[-1]"), TEXT("[-123]"), TEXT("[0e+1]"), TEXT("[0e1]"),
    TEXT("[1E22]"), TEXT("[1E-2]"), TEXT("[1E+2]"), TEXT("[1e-2]"), TEXT("[123.456e78]"),
    TEXT("[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]"),
    TEXT("[123.456789]"), TEXT("[20e1]"), TEXT("[ 4]"), TEXT("[123123e-10000000]"),
    TEXT("[123123e100000]"), TEXT("[-100000000000000000000]"), TEXT("[18446744073709551616]"),
    /* objects */
    TEXT("{}"), TEXT("{\"a\":\"b\"}"), TEXT("{\"a\":\"b\",\"a\":\"c\"}"), TEXT("{\"\":0}"),
    TEXT("{\"a\\u0000b\":1}"), TEXT("{\n\"a\": [{\"b\":\t{}}]\r\n}"),
    /* strings */
    TEXT("[\"\\u0060\\u012a\\u12AB\"]"), TEXT("[\"\\uD801\\udc37\"]"),
    TEXT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"), TEXT("[\"\\\\u0000\"]"), TEXT("[\"\\u0000\"]"),
    TEXT("[\"a/*b*/c/*d//e\"]"), TEXT("[\"\x7f\"]"), TEXT("[\"\xc3\xa9\xe2\x80\xa8\"]"),
    TEXT("[\"\xf0\x9d\x84\x9e\xef\xbf\xbf\xf4\x8f\xbf\xbf\"]"), TEXT("[\"\\uFFFF\"]"),
    TEXT("\" \""), TEXT("\"\""),
    /* other values alone */
    TEXT("null"), TEXT("true"), TEXT("false"), TEXT("42"), TEXT("-0.1"),
    /* escaped surrogates without their other half: json-c makes U+FFFD of them */
    TEXT("[\"\\uD800\"]"), TEXT("[\"\\uDFAA\"]"), TEXT("[\"\\uD888\\u1234\"]"),
    TEXT("[\"\\uDd1e\\uD834\"]"),
    /* a string that is not UTF-8: the code that uses it refuses it */
    TEXT("[\"\xff\"]"), TEXT("[\"\xc0\xaf\"]"), TEXT("[\"\xed\xa0\x80\"]"), TEXT("[\"\xe2\x82\"]")};

static const struct text must_refuse[] = {
    /* empty or incomplete */
    TEXT(""),
    TEXT(" "),
    TEXT("["),
    TEXT("[\"\": 1]"),
    TEXT("[1"),
    TEXT("[1,"),
    TEXT("[,"),
    TEXT("[{}"),
    TEXT("[\"a\",\n4\n,1,"),
    TEXT("{"),
    TEXT("{\"a\""),
    TEXT("{\"a\":"),
    TEXT("{\"a\":\"b\""),
    TEXT("{\"a\":\"b\","),
    TEXT("[\""),
    TEXT("[\"a"),
    TEXT("\"\\"),
    TEXT("tru"),
    TEXT("nul"),
    TEXT("fals"),
    TEXT("[\"a\\"),
    TEXT("[\"\\u"),
    /* something after the value */
    TEXT("[]]"),
    TEXT("{}}"),
    TEXT("[][]"),
    TEXT("{} x"),
    TEXT("{}#"),
    TEXT("2@"),
    TEXT("[1]x"),
    TEXT("{}\0"),
    TEXT("[]\0[]"),
    TEXT("123\0"),
    TEXT("\0"),
    TEXT("{\"a\":\"b\"}#{}"),
    /* arrays */
    TEXT("[1 true]"),
    TEXT("[a\xc3\xa5]"),
    TEXT("[,1]"),
    TEXT("[1,,2]"),
    TEXT("[\"x\",,]"),
    TEXT("[1,]"),
    TEXT("[,]"),
    TEXT("[-]"),
    TEXT("[   , \"\"]"),
    TEXT("[3[4]]"),
    TEXT("[1:2]"),
    TEXT("[x"),
    TEXT("[*]"),
    TEXT("[1}"),
    TEXT("[\x0b]"),
    TEXT("[\x0c]"),
    TEXT("[\xc2\xa0]"),
    TEXT("[\xe2\x81\xa0]"),
    TEXT("[\0]"),
    TEXT("[<null>]"),
    /* words */
    TEXT("[nul]"),
    TEXT("[True]"),
    TEXT("[TRUE]"),
    TEXT("[NULL]"),
    TEXT("[truth]"),
    TEXT("[fals]"),
    TEXT("[undefined]"),
    TEXT("nully"),
    TEXT("[nan]"),
    TEXT("[NaN]"),
    TEXT("[Inf]"),
    TEXT("[Infinity]"),
    TEXT("[-Infinity]"),
    TEXT("[-NaN]"),
    TEXT("[+Inf]"),
    /* numbers */
    TEXT("[-01]"),
    TEXT("[01]"),
    TEXT("[-012]"),
    TEXT("[012.5]"),
    TEXT("[00]"),
    TEXT("[1.]"),
    TEXT("[-2.]"),
    TEXT("[2.e3]"),
    TEXT("[2.e+3]"),
    TEXT("[2.e-3]"),
    TEXT("[.1]"),
    TEXT("[.-1]"),
    TEXT("[.2e-3]"),
    TEXT("[-.5]"),
    TEXT("[0.e1]"),
    TEXT("[1.0e+]"),
    TEXT("[1.0e-]"),
    TEXT("[1.0e]"),
    TEXT("[0e]"),
    TEXT("[0e+]"),
    TEXT("[0E]"),
    TEXT("[0E+]"),
    TEXT("[1eE2]"),
    TEXT("[1e1e1]"),
    TEXT("[+1]"),
    TEXT("[++1]"),
    TEXT("[--1]"),
    TEXT("[- 1]"),
    TEXT("[1 000]"),
    TEXT("[1_0]"),
    TEXT("[0x1]"),
    TEXT("[0x]"),
    TEXT("[1+2]"),
    TEXT("[1.2.3]"),
    TEXT("[0.1.2]"),
    TEXT("[1a]"),
    TEXT("[1.2a-3]"),
    TEXT("[9.e+]"),
    TEXT("[-1x]"),
    TEXT("[-foo]"),
    TEXT("[1.8011670033376514H-308]"),
    TEXT("[\xef\xbc\x91]"),
    TEXT("[1\xe5]"),
    TEXT("[0\xe5]"),
    TEXT("[1e1\xe5]"),
    TEXT("[12\0]"),
    /* objects */
    TEXT("{\"a\"}"),
    TEXT("{\"a\" b}"),
    TEXT("{\"a\":}"),
    TEXT("{:1}"),
    TEXT("{,}"),
    TEXT("{1:1}"),
    TEXT("{a:1}"),
    TEXT("{'a':0}"),
    TEXT("{\"a\":1,}"),
    TEXT("{\"a\":1,,}"),
    TEXT("{\"a\"::1}"),
    TEXT("{\"a\",\"b\"}"),
    TEXT("{\"a\":1 \"b\":2}"),
    TEXT("{\"a\":1;}"),
    TEXT("{null:null}"),
    TEXT("{\"a\":1]"),
    TEXT("{[}"),
    TEXT("{[: 1}"),
    TEXT("{\"a\":1,\"b\"}"),
    TEXT("{9999E9999:1}"),
    TEXT("{\"a\":\"b\",/**/}"),
    TEXT("{\"a\":1/*c*/}"),
    TEXT("/**/{}"),
    TEXT("{}//"),
    TEXT("//\n{}"),
    TEXT("{\"a\":1}/**//"),
    TEXT("{\xf0\x9f\x87\xa8}"),
    TEXT("{\"\xb9\":\"0\",}"),
    TEXT("{\"a\":/*x*/\"b\"}"),
    TEXT("{a: \"b\"}"),
    TEXT("{\"\0\":1,}"),
    TEXT("{\"x\": truth}"),
    /* strings */
    TEXT("['a']"),
    TEXT("[\"a\nb\"]"),
    TEXT("[\"a\tb\"]"),
    TEXT("[\"\x1f\"]"),
    TEXT("[\"a\0a\"]"),
    TEXT("[\"\\x00\"]"),
    TEXT("[\"\\a\"]"),
    TEXT("[\"\\'\"]"),
    TEXT("[\"\\U0041\"]"),
    TEXT("[\"\\u00A\"]"),
    TEXT("[\"\\u123g\"]"),
    TEXT("[\"\\u 041\"]"),
    TEXT("[\"\\uD834\\uDd\"]"),
    TEXT("[\"\\uD800\\u\"]"),
    TEXT("[\"\\uD800\\u1x\"]"),
    TEXT("[\"\\\"]"),
    TEXT("[\"\\\\\\\"]"),
    TEXT("[\"\\\0\"]"),
    TEXT("[\"\\\n\"]"),
    TEXT("[\"\\\xe5\"]"),
    TEXT("[\"\\u\xe5\"]"),
    TEXT("[\"\\\xf0\x9f\x8c\x80\"]"),
    TEXT("[\\n]"),
    TEXT("[\\u0020\"asd\"]"),
    TEXT("\"a\"x"),
    TEXT("[\xc3\xa9]"),
    TEXT("abc"),
    TEXT("'a'"),
    TEXT("[\"\":1]"),
    /* another encoding, or a byte order mark (section 8.1) */
    TEXT("\xef\xbb\xbf{}"),
    TEXT("\xef\xbb{}"),
    TEXT("\xff\xfe[\0\"\0\xe9\0\"\0]\0"),
    TEXT("\0[\0\"\0\xe9\0\"\0]"),
    TEXT("\xe5"),
    TEXT("[\xff]"),
};

/* Copies the bytes, so that a sanitizer detects a read past their end. */
static enum json_fault check(const struct text *text)
{
    char *copy = malloc(text->length ? text->length : 1);

    memcpy(copy, text->bytes, text->length);
    enum json_fault fault = json_check(copy, text->length);
    free(copy);
    return fault;
}

static void accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof must_accept / sizeof *must_accept; i++) {
        if (check(&must_accept[i]) != JSON_GOOD)
            fail_msg("refused: %s", must_accept[i].bytes);
    }
}

static void refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof must_refuse / sizeof *must_refuse; i++) {
        if (check(&must_refuse[i]) != JSON_MALFORMED)
            fail_msg("accepted: %s (row %zu)", must_refuse[i].bytes, i);
    }
}

/* json-c can read every valid text too. */
static void json_c_agrees(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof must_accept / sizeof *must_accept; i++) {
        struct json_object *object = NULL;
        char text[256];
        int length = snprintf(text, sizeof text, " {\"v\": %s}\n", must_accept[i].bytes);
        if (json_read(text, (size_t)length, &object) != JSON_GOOD)
            fail_msg("json-c refuses %s", text);
        assert_true(json_object_object_get_ex(object, "v", NULL));
        json_object_put(object);
    }
}

static void only_objects(void **state)
{
    static const struct text rows[] = {TEXT("[]"),   TEXT("null"), TEXT("1"),    TEXT("\"{}\""),
                                       TEXT("true"), TEXT("[{}]"), TEXT("{}{}"), TEXT("")};
    struct json_object *object = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(json_read(rows[i].bytes, rows[i].length, &object), JSON_MALFORMED);
        assert_null(object);
    }
}

static void the_last_member_counts(void **state)
{
    static const char text[] = "{\"a\": 1, \"b\": 2, \"a\": 3}";
    struct json_object *object = NULL, *value = NULL;

    (void)state;
    assert_int_equal(json_read(text, strlen(text), &object), JSON_GOOD);
    json_object_object_get_ex(object, "a", &value);
    assert_int_equal(json_object_get_int(value), 3);
    json_object_put(object);
}

/* --- bounds ---------------------------------------------------------------------------------- */

/* {"a": OPEN*depth CLOSE*depth} */
static enum json_fault nested(const char *open, const char *close, size_t depth)
{
    struct json_object *object = NULL;
    char *text = calloc(1, 16 + depth * (strlen(open) + strlen(close)));

    strcpy(text, "{\"a\":");
    for (size_t i = 0; i < depth; i++)
        strcat(text, open);
    strcat(text, "0");
    for (size_t i = 0; i < depth; i++)
        strcat(text, close);
    strcat(text, "}");
    enum json_fault fault = json_read(text, strlen(text), &object);
    json_object_put(object);
    free(text);
    return fault;
}

static void depth(void **state)
{
    (void)state;
    assert_int_equal(nested("[", "]", JSON_DEPTH_MAX - 1), JSON_GOOD);
    assert_int_equal(nested("[", "]", JSON_DEPTH_MAX), JSON_TOO_MUCH);
    assert_int_equal(nested("{\"a\":", "}", JSON_DEPTH_MAX - 1), JSON_GOOD);
    assert_int_equal(nested("{\"a\":", "}", JSON_DEPTH_MAX), JSON_TOO_MUCH);
    assert_int_equal(nested("[{\"a\":", "}]", 1000), JSON_TOO_MUCH);
    assert_int_equal(nested("[", "", 2000), JSON_TOO_MUCH); /* and the stack does not overflow */
}

/* {"a":[ITEM,ITEM,...]} */
static enum json_fault repeated(const char *item, size_t count)
{
    struct json_object *object = NULL;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    fputs("{\"a\":[", out);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%s", i ? "," : "", item);
    fputs("]}", out);
    fclose(out);
    enum json_fault fault = json_read(text, length, &object);
    json_object_put(object);
    free(text);
    return fault;
}

static void counts(void **state)
{
    (void)state;
    assert_int_equal(repeated("{}", JSON_CONTAINERS_MAX - 2), JSON_GOOD);
    assert_int_equal(repeated("{}", JSON_CONTAINERS_MAX - 1), JSON_TOO_MUCH);
    assert_int_equal(repeated("[]", JSON_CONTAINERS_MAX - 2), JSON_GOOD);
    assert_int_equal(repeated("[]", JSON_CONTAINERS_MAX - 1), JSON_TOO_MUCH);
    assert_int_equal(repeated("1", JSON_VALUES_MAX - 2), JSON_GOOD);
    assert_int_equal(repeated("1", JSON_VALUES_MAX - 1), JSON_TOO_MUCH);
    assert_int_equal(repeated("{\"a\":1}", JSON_CONTAINERS_MAX - 1), JSON_TOO_MUCH);
    assert_int_equal(repeated("{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}", 500), JSON_GOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),       cmocka_unit_test(refuses),
        cmocka_unit_test(json_c_agrees), cmocka_unit_test(only_objects),
        cmocka_unit_test(depth),         cmocka_unit_test(the_last_member_counts),
        cmocka_unit_test(counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
