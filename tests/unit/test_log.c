/* SPDX-License-Identifier: MIT */
/* base/log: whatever a value contains, it stays one value on one line. */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/utf8.h"

static char written[8192];

static int start(int ends[2])
{
    int kept = dup(STDERR_FILENO);

    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    return kept;
}

static void finish(int ends[2], int kept)
{
    dup2(kept, STDERR_FILENO);
    close(kept);
    ssize_t n = read(ends[0], written, sizeof written - 1);
    written[n > 0 ? n : 0] = '\0';
    close(ends[0]);
}

/* The text that log_event writes after the event's name. */
#define LOGGED(...)                                                                                \
    (__extension__({                                                                               \
        int ends[2], kept = start(ends);                                                           \
        log_event(LEVEL_ERROR, "test", __VA_ARGS__);                                               \
        finish(ends, kept);                                                                        \
        char *at = strstr(written, "event=test ");                                                 \
        assert_non_null(at);                                                                       \
        at + strlen("event=test ");                                                                \
    }))

static void conversions(void **state)
{
    (void)state;
    assert_string_equal(LOGGED("a=%d b=%i c=%u d=%ld e=%lu f=%lld g=%llu h=%zu i=%zd j=5%%", -1, 2,
                               3u, -4L, 5UL, -6LL, 7ULL, (size_t)8, (ssize_t)-9),
                        "a=-1 b=2 c=3 d=-4 e=5 f=-6 g=7 h=8 i=-9 j=5%\n");
    assert_string_equal(LOGGED("none"), "none\n");
    assert_string_equal(LOGGED("a=%s b=\"%s\" c=%d", "x", "y z", 1), "a=x b=\"y z\" c=1\n");
    assert_string_equal(LOGGED("max=%lld", INT64_MIN + 0LL), "max=-9223372036854775808\n");
}

static void quotes(void **state)
{
    (void)state;
    assert_string_equal(LOGGED("path=\"%s\" status=404", "/a\" status=200 x=\"b"),
                        "path=\"/a\\\" status=200 x=\\\"b\" status=404\n");
    assert_string_equal(LOGGED("path=\"%s\" x=1", "\\\" y=2"), "path=\"\\\\\\\" y=2\" x=1\n");
    assert_string_equal(LOGGED("session=%s x=1", "a y=2"), "session=\"a y=2\" x=1\n");
    assert_string_equal(LOGGED("session=%s x=1", "a\"b"), "session=\"a\\\"b\" x=1\n");
    assert_string_equal(LOGGED("session=%s x=1", "a\nlevel=error"),
                        "session=\"a\\nlevel=error\" x=1\n");
    assert_string_equal(LOGGED("session=%s x=1", ""), "session= x=1\n");
}

/* Long values and lines are cut. Quotes are closed, and no escape is cut in two. */
static void long_values(void **state)
{
    char value[5000];

    (void)state;
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    const char *line = LOGGED("a=\"%s\" b=1", value);
    assert_string_equal(line + 3 + 1024, "\" b=1\n");
    memset(value, '\n', sizeof value - 1);
    line = LOGGED("a=%s b=1", value);
    assert_string_equal(line + 3 + 1024, "\" b=1\n");
    memset(value, '"', sizeof value - 1);
    line = LOGGED("a=\"%s\" b=\"%s\" c=\"%s\"", value, value, "z");
    assert_true(strlen(written) <= 2048);
    size_t quoting = 0, unescaped = 0;
    for (const char *c = line; *c && *c != '\n'; c++) {
        if (*c == '\\' && c[1])
            c++;
        else if (*c == '"')
            unescaped++;
        quoting++;
    }
    assert_true(quoting > 0);
    assert_int_equal(unescaped % 2, 0);
}

static void sayings(void **state)
{
    int ends[2], kept = start(ends);

    (void)state;
    log_say("vsay-x: cannot open %s: \"%s\"", "a\"b\x1b[31m", "c d\\");
    finish(ends, kept);
    assert_string_equal(written, "vsay-x: cannot open a\"b\\x1b[31m: \"c d\\\"\n");
}

static void escapes(void **state)
{
    static const struct {
        const char *text, *shown;
    } rows[] = {
        {"", ""},
        {"plain ASCII ~!", "plain ASCII ~!"},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x91\x81", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x91\x81"},
        {"a\nb\rc\td", "a\\nb\\rc\\td"},
        {"\x01\x1b\x1f\x7f", "\\x01\\x1b\\x1f\\x7f"},
        {"\xc2\x80\xc2\x85\xc2\x9b\xc2\x9f\xc2\xa0", "\\u0080\\u0085\\u009b\\u009f\xc2\xa0"},
        {"\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029"},
        {"\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa9\xe2\x80\x8f\xd8\x9c",
         "\\u202e\\u2066\\u2069\\u200f\\u061c"},
        {"\xef\xbb\xbf", "\\ufeff"},
        {"\xf3\xa0\x80\x81", "\\U000e0001"},
        {"\xff\xc0\xaf", "\\xff\\xc0\\xaf"},
        {"\x9b"
         "1m",
         "\\x9b1m"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"a\xe2\x82", "a\\xe2\\x82"},
        {"\"\\", "\\\"\\\\"},
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t length = utf8_escape(out, sizeof out, rows[i].text, "\"\\");
        assert_string_equal(out, rows[i].shown);
        assert_int_equal(length, strlen(out));
    }
    utf8_escape(out, sizeof out, "\"\\", "");
    assert_string_equal(out, "\"\\");
    for (size_t size = 1; size < 12; size++) { /* cut between characters */
        utf8_escape(out, size, "ab\n\xe2\x82\xac\x1b", "");
        assert_true(strlen(out) < size);
        assert_true(utf8_valid(out, strlen(out)));
        assert_int_equal(strncmp(out, "ab\\n\xe2\x82\xac\\x1b", strlen(out)), 0);
        assert_true(!*out || out[strlen(out) - 1] != '\\');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversions), cmocka_unit_test(quotes),  cmocka_unit_test(long_values),
        cmocka_unit_test(sayings),     cmocka_unit_test(escapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
