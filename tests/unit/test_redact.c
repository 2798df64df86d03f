/* SPDX-License-Identifier: MIT */
/* Tests of shell/redact: what is recorded of a command line. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "shell/redact.h"
#include "base/utf8.h"
#include "base/xalloc.h"

static char *redacted(const char *pattern, const char *text, size_t length)
{
    char *items[] = {xstrdup(pattern)};
    const struct strlist patterns = {items, 1};
    struct redact *redact = redact_new(&patterns);
    char *out = redact_command(redact, text, length);

    redact_free(redact);
    free(items[0]);
    return out;
}

/* --- UTF-8, length ------------------------------------------------------- */

static void invalid_bytes_are_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        size_t length;
    } rows[] = {
        {"gr\xc3\xbcn", "gr\xc3\xbcn", 5},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b",
         3},
        {"a\xc3", "a\xef\xbf\xbd", 2},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 3},
        {"a\0b",
         "a\xef\xbf\xbd"
         "b",
         3},
        {"", "", 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *out = redacted("none", rows[i].in, rows[i].length);
        assert_string_equal(out, rows[i].out);
        free(out);
    }
}

static char *repeated(const char *unit, size_t count)
{
    size_t length = strlen(unit);
    char *text = xcalloc(count + 1, length);

    for (size_t i = 0; i < count; i++)
        memcpy(text + i * length, unit, length);
    return text;
}

/* A cut text fits into a request that mod_fcgid accepts, and ends between two characters. */
static void long_texts_are_cut(void **state)
{
    (void)state;
    static const struct {
        const char *unit;
        size_t left;
    } rows[] = {
        {"x", 65535},
        {"\xc3\xbc", 65534},
        {"\xe2\x82\xac", 65535},
        {"\xf0\x9f\x90\x9a", 65532},
        {"\"", REDACT_JSON_MAX / 2},
        {"\x01", REDACT_JSON_MAX / 6},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *long_text = repeated(rows[i].unit, 70000);
        char *text = redacted("none", long_text, strlen(long_text));
        size_t length;
        assert_int_equal(strlen(text), rows[i].left);
        assert_true(utf8_valid(text, rows[i].left));
        struct json_object *json = json_object_new_string(text);
        json_object_to_json_string_length(json, JSON_C_TO_STRING_NOSLASHESCAPE, &length);
        assert_true(length < (128 - 1) * 1024);
        json_object_put(json);
        free(text);
        free(long_text);
    }
}

/* --- redaction ----------------------------------------------------------- */

static void matches_are_redacted(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *in, *out;
    } rows[] = {
        {"secret", "a secret and secret", "a *** and ***"},
        {"secret", "nothing", "nothing"},
        {"--password[= ]([^ ]+)", "x --password=abc --password d",
         "x --password=*** --password ***"},
        {"(AKIA[A-Z0-9]+)", "AKIA1 AKIA2", "*** ***"},
        {"^export ([A-Z]+)=(.*)", "export A=b", "export ***=b"},
        {"^x", "xxx", "***xx"},
        {"x$", "xx", "x***"},
        {"x*", "axb", "a***b"},
        {"a(b)?c", "ac abc", "ac a***c"},
        {"-p([^ ]*) ", "mysql -p -pabc x", "mysql -p -p*** x"},
        {".", "ab", "******"},
        {"", "abc", "abc"},
        {"a", "", ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *out = redacted(rows[i].pattern, rows[i].in, strlen(rows[i].in));
        assert_string_equal(out, rows[i].out);
        free(out);
    }
}

/* With so many matches that it would take too long, the rest is redacted as a whole. */
static void too_many_matches(void **state)
{
    (void)state;
    char *text = repeated("ab", 30000);
    char *out = redacted("a", text, strlen(text));

    assert_null(strchr(out, 'a'));
    assert_true(strlen(out) < strlen(text));
    free(out);
    free(text);
}

static void patterns_apply_in_turn(void **state)
{
    (void)state;
    char *items[] = {xstrdup("one"), xstrdup("two")};
    const struct strlist patterns = {items, 2};
    struct redact *redact = redact_new(&patterns);
    char *out = redact_command(redact, "one two three", strlen("one two three"));

    assert_string_equal(out, "*** *** three");
    free(out);
    redact_free(redact);
    free(items[0]);
    free(items[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invalid_bytes_are_replaced), cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(matches_are_redacted),       cmocka_unit_test(too_many_matches),
        cmocka_unit_test(patterns_apply_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
