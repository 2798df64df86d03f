/* SPDX-License-Identifier: MIT */
/* Tests of shell/osc633: marks are taken out wherever reads split them, and nothing else changes.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "shell/osc633.h"
#include "base/xalloc.h"

#define N "nonce"

static struct buffer marks; /* "KIND text\n" for each mark */

static void on_mark(void *context, char mark, const char *text, size_t length)
{
    (void)context;
    buffer_add(&marks, &mark, 1);
    buffer_add(&marks, text, length);
    buffer_add(&marks, "\n", 1);
}

static const struct {
    const char *in, *out, *marks;
} rows[] = {
    {"plain text", "plain text", ""},
    {"a\033]633;U;ls -l;" N "\ab", "ab", "Uls -l\n"},
    {"a\033]633;U;ls;" N "\033\\b", "ab", "Uls\n"},
    {"\033]633;U;ls;" N "\a\033]633;D;0;" N "\a", "", "Uls\nD0\n"},
    {"\033]633;D;130;" N "\a$ ", "$ ", "D130\n"},
    {"\033]633;B;1;" N "\a$ ", "$ ", "B1\n"},
    {"\033]633;U;a;b;" N "\a", "", "Ua;b\n"},
    {"\033]633;U;;" N "\a", "", "U\n"},

    /* any bytes between two nonces */
    {"a\033]633;C;" N ";0;  1  ls;" N "\ab", "ab", "C0;  1  ls\n"},
    {"\033]633;C;" N ";\a\r\n\033]633;D;0;" N "x\a\377;" N "\a$", "$",
     "C\a\r\n\033]633;D;0;" N "x\a\377\n"},
    {"\033]633;C;" N ";;" N "\a", "", "C\n"},
    {"\033]633;C;" N ";" N ";" N "\a", "", "C" N "\n"},
    {"\033]633;C;nonsense;" N "\a", "\033]633;C;nonsense;" N "\a", ""},
    {"\033]633;C;x;" N "\033]633;D;0;" N "\a", "\033]633;C;x;" N, "D0\n"},

    /* another nonce, or none */
    {"\033]633;U;ls;other\a", "\033]633;U;ls;other\a", ""},
    {"\033]633;U;ls\ax", "\033]633;U;ls\ax", ""},
    {"\033]633;U;" N "\a", "\033]633;U;" N "\a", ""},
    {"\033]633;U;x" N "\a", "\033]633;U;x" N "\a", ""},
    {"\033]633;D\a", "\033]633;D\a", ""},

    /* other sequences, some of which begin like a mark */
    {"\033]633;A\a\033]133;C\a\033[31mred\033[0m", "\033]633;A\a\033]133;C\a\033[31mred\033[0m",
     ""},
    {"\033]633;P;Cwd=/\a", "\033]633;P;Cwd=/\a", ""},
    {"\033\033]633;D;0;" N "\a", "\033", "D0\n"},
    {"\033]63\033]633;D;0;" N "\a", "\033]63", "D0\n"},
    {"\033]633;U;half\033]633;D;0;" N "\a", "\033]633;U;half", "D0\n"},
    {"\033]633;U;half\n\033]633;D;1;" N "\a", "\033]633;U;half\n", "D1\n"},
    {"\033]633;U;half\033[0m", "\033]633;U;half\033[0m", ""},
    {"\033]633;U;half\033\033]633;D;0;" N "\a", "\033]633;U;half\033", "D0\n"},
};
enum { ROWS = sizeof rows / sizeof *rows };

static void compare(const struct buffer *buffer, const char *expected)
{
    assert_int_equal(buffer->length, strlen(expected));
    if (buffer->length)
        assert_memory_equal(buffer->bytes, expected, buffer->length);
}

/* Feeds `first` bytes, then `step` at a time. */
static void feed(const char *in, size_t first, size_t step, struct buffer *out)
{
    struct osc633 *osc633 = osc633_new(N, on_mark, NULL);
    size_t length = strlen(in);

    marks.length = 0;
    for (size_t at = 0, n = first; at < length; at += n, n = step) {
        n = n < length - at ? n : length - at;
        osc633_feed(osc633, in + at, n, out);
    }
    osc633_release(osc633, out);
    assert_false(osc633_holds(osc633));
    osc633_free(osc633);
}

static void marks_are_taken_in_any_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t first = 1; first <= strlen(rows[i].in); first++) {
            for (size_t step = 1; step < 12; step++) {
                struct buffer out = {0};
                feed(rows[i].in, first, step, &out);
                compare(&out, rows[i].out);
                compare(&marks, rows[i].marks);
                buffer_free(&out);
            }
        }
    }
}

static void only_what_may_be_a_mark_is_held(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"a\033", "a"},
        {"a\033]633;", "a"},
        {"a\033]633;U;text", "a"},
        {"a\033[", "a\033["},
        {"a\033]634", "a\033]634"},
        {"a\033]633;A", "a\033]633;A"},
        {"a\033]633;U;\n", "a\033]633;U;\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct osc633 *osc633 = osc633_new(N, on_mark, NULL);
        struct buffer out = {0};
        osc633_feed(osc633, cases[i].in, strlen(cases[i].in), &out);
        compare(&out, cases[i].out);
        assert_int_equal(osc633_holds(osc633), strlen(cases[i].in) > strlen(cases[i].out));
        osc633_release(osc633, &out);
        compare(&out, cases[i].in);
        osc633_free(osc633);
        buffer_free(&out);
    }
}

/* A mark that is released too early is partly printed, with its terminator, and still counts. */
static void a_late_mark_counts(void **state)
{
    (void)state;
    static const char mark[] = "\033]633;U;late;" N "\033\\", end[] = "\033\\";

    for (size_t split = 1; split < sizeof mark - 1; split++) {
        struct osc633 *osc633 = osc633_new(N, on_mark, NULL);
        struct buffer out = {0};
        size_t seen = split < sizeof mark - sizeof end ? split : sizeof mark - sizeof end;
        char expected[sizeof mark] = "";
        memcpy(expected, mark, seen);
        strcat(expected, end);
        marks.length = 0;
        osc633_feed(osc633, mark, split, &out);
        osc633_release(osc633, &out);
        osc633_feed(osc633, mark + split, sizeof mark - 1 - split, &out);
        compare(&out, expected);
        compare(&marks, "Ulate\n");
        osc633_free(osc633);
        buffer_free(&out);
    }
}

static void a_released_stranger_passes_once(void **state)
{
    (void)state;
    static const char stranger[] = "\033]633;U;text\033\033]633;D;0;" N "\a\033]633;U;x\033y";
    static const char passes[] = "\033]633;U;text\033\033]633;U;x\033y";

    for (size_t split = 1; split < 13; split++) {
        struct osc633 *osc633 = osc633_new(N, on_mark, NULL);
        struct buffer out = {0};
        marks.length = 0;
        osc633_feed(osc633, stranger, split, &out);
        osc633_release(osc633, &out);
        osc633_feed(osc633, stranger + split, sizeof stranger - 1 - split, &out);
        compare(&out, passes);
        compare(&marks, "D0\n");
        osc633_free(osc633);
        buffer_free(&out);
    }
}

static void length_is_bounded(void **state)
{
    (void)state;
    static const char head[] = "\033]633;U;", tail[] = ";" N "\a";
    size_t size = OSC633_MAX + 1000;
    char *in = xcalloc(1, size);
    struct osc633 *osc633 = osc633_new(N, on_mark, NULL);
    struct buffer out = {0};

    memset(in, 'x', size);
    memcpy(in, head, sizeof head - 1);
    memcpy(in + size - sizeof tail + 1, tail, sizeof tail - 1);
    marks.length = 0;
    osc633_feed(osc633, in, size, &out);
    assert_int_equal(out.length, size);
    assert_memory_equal(out.bytes, in, size);
    assert_int_equal(marks.length, 0);
    osc633_free(osc633);
    buffer_free(&out);
    free(in);
}

/* A command that is too long is cut, and its whole mark is taken out. */
static void a_long_command_is_cut(void **state)
{
    (void)state;
    static const char start[] = "\033]633;C;" N ";", end[] = ";" N "\a$ ";
    struct osc633 *osc633 = osc633_new(N, on_mark, NULL);
    struct buffer out = {0};

    marks.length = 0;
    osc633_feed(osc633, start, sizeof start - 1, &out);
    for (size_t i = 0; i < OSC633_MAX; i++)
        osc633_feed(osc633, i % 2 ? "a\n" : "b;", 2, &out);
    osc633_feed(osc633, end, sizeof end - 1, &out);
    compare(&out, "$ ");
    assert_in_range(marks.length, OSC633_MAX - 100, OSC633_MAX);
    assert_memory_equal(marks.bytes, "Cb;a\n", 5);
    osc633_free(osc633);
    buffer_free(&out);
}

/* A subshell may die while it writes a mark. */
static void a_command_without_end_is_given_up(void **state)
{
    (void)state;
    static const char start[] = "\033]633;C;" N ";0;text";
    struct osc633 *osc633 = osc633_new(N, on_mark, NULL);
    struct buffer out = {0};

    marks.length = 0;
    osc633_feed(osc633, start, sizeof start - 1, &out);
    for (int i = 1; i < OSC633_PATIENCE; i++)
        osc633_release(osc633, &out);
    assert_true(osc633_holds(osc633));
    osc633_release(osc633, &out);
    assert_false(osc633_holds(osc633));
    osc633_feed(osc633, "more", 4, &out);
    compare(&out, "more");
    assert_int_equal(marks.length, 0);
    osc633_free(osc633);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_taken_in_any_split),
        cmocka_unit_test(only_what_may_be_a_mark_is_held),
        cmocka_unit_test(a_late_mark_counts),
        cmocka_unit_test(a_released_stranger_passes_once),
        cmocka_unit_test(length_is_bounded),
        cmocka_unit_test(a_long_command_is_cut),
        cmocka_unit_test(a_command_without_end_is_given_up),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buffer_free(&marks);
    return failed;
}
