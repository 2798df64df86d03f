/* SPDX-License-Identifier: MIT */
/* base/conf: the file, the environment, every kind of error, secret files. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/file.h"
#include "common/settings.h"

struct sample {
    char *name;
    long count, wait;
    int colour;
    struct strlist words, lines;
};

#define AT(member) offsetof(struct sample, member)

static const char *const colours[] = {"red", "green", NULL};

static const struct conf_option options[] = {
    {"one", "name", CONF_TEXT, AT(name), .fallback = "nobody"},
    {"one", "count", CONF_INT, AT(count), -5, 10, .fallback = "3"},
    {"one", "wait", CONF_SECONDS, AT(wait), 0, 172800, .fallback = "30s"},
    {"two", "colour", CONF_CHOICE, AT(colour), .choices = colours, .fallback = "green"},
    {"two", "words", CONF_LIST, AT(words), .fallback = "a,b"},
    {"two", "lines", CONF_LINES, AT(lines), .fallback = ""},
};
enum { OPTIONS = sizeof options / sizeof *options };

static char directory[] = "/tmp/test_conf.XXXXXX";

static void write_bytes(const char *path, const char *bytes, size_t length, mode_t mode)
{
    unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static enum err load(const char *text, struct sample *out, struct error *e)
{
    *out = (struct sample){0};
    *e = (struct error){0};
    write_bytes("t.conf", text, strlen(text), 0644);
    return conf_load(options, OPTIONS, "t.conf", true, 0, out, e);
}

static void unload(struct sample *sample)
{
    conf_free(options, OPTIONS, sample);
    assert_null(sample->name);
    assert_null(sample->words.items);
    assert_null(sample->lines.items);
}

/* The words of a list, joined by '|'. */
static const char *joined(const struct strlist *list)
{
    static char text[512];

    text[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        strcat(text, i ? "|" : "");
        strcat(text, list->items[i]);
    }
    return text;
}

/* --- good files ---------------------------------------------------------- */

static const struct {
    const char *text, *variable, *value;
    const char *name;
    long count, wait;
    int colour;
    const char *words;
} good[] = {
    {"", .name = "nobody", .count = 3, .wait = 30, .colour = 1, .words = "a|b"},
    {"\xef\xbb\xbf# comment\n; comment\n\n[one]\n", .name = "nobody", .count = 3, .wait = 30,
     .colour = 1, .words = "a|b"},
    {"[one]\nname = x y ; z\ncount=-5\r\nwait: 2h\n[two]\ncolour = red\nwords = p q, r",
     .name = "x y", .count = -5, .wait = 7200, .colour = 0, .words = "p|q|r"},
    {"[two]\n  colour = red\n[one]\n\tcount = 10\n[two]\nwords =\n", .name = "nobody", .count = 10,
     .wait = 30, .colour = 0, .words = ""},
    {"[one] ; comment\nname = a;b = c ; d\n[two]\nwords = p\n  q ; = r\n", .name = "a;b = c",
     .count = 3, .wait = 30, .colour = 1, .words = "p|q"},
    {"[two]\nwords = p, ; first\n  q ; second\n\n  r\n\t; third\nwords = s;t\n[one]\nname=\n",
     .name = "", .count = 3, .wait = 30, .colour = 1, .words = "p|q|r|s;t"},
    {"[one]\nname = a\n", "VSAY_ONE_NAME", "b", .name = "b", .count = 3, .wait = 30, .colour = 1,
     .words = "a|b"},
    {"[one]\nname = a\n", "VSAY_ONE_NAME", "", .name = "", .count = 3, .wait = 30, .colour = 1,
     .words = "a|b"},
    {"[two]\nwords = c\n", "VSAY_TWO_WORDS", "d e,f", .name = "nobody", .count = 3, .wait = 30,
     .colour = 1, .words = "d|e|f"},
    {"[one]\nwait = 1\n", "VSAY_ONE_WAIT", "1d", .name = "nobody", .count = 3, .wait = 86400,
     .colour = 1, .words = "a|b"},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct sample sample;
        struct error e;
        if (good[i].variable)
            setenv(good[i].variable, good[i].value, 1);
        enum err err = load(good[i].text, &sample, &e);
        if (good[i].variable)
            unsetenv(good[i].variable);
        assert_string_equal(e.detail, "");
        assert_int_equal(err, ERR_OK);
        assert_string_equal(sample.name, good[i].name);
        assert_int_equal(sample.count, good[i].count);
        assert_int_equal(sample.wait, good[i].wait);
        assert_int_equal(sample.colour, good[i].colour);
        assert_string_equal(joined(&sample.words), good[i].words);
        unload(&sample);
    }
}

/* --- bad files ----------------------------------------------------------- */

static const struct {
    const char *text, *variable, *value, *detail;
} bad[] = {
    {"[one]\nnam = x\n", .detail = "t.conf:2: unknown key 'nam' in section [one]"},
    {"name = x\n", .detail = "t.conf:1: unknown key 'name' in section []"},
    {"[one]\ncolour = red\n", .detail = "t.conf:2: unknown key 'colour' in section [one]"},
    {"[one]\n\n[three]\n", .detail = "t.conf:3: unknown section [three]"},
    {"[on]\nname = x\n", .detail = "t.conf:1: unknown section [on]"},
    {"[one\nname = x\n", .detail = "t.conf:1: neither [section] nor key = value"},
    {"[one] name = x\n",
     .detail = "t.conf:1: text after [section]; a comment there begins with a blank and ;"},
    {"[one] # x\n",
     .detail = "t.conf:1: text after [section]; a comment there begins with a blank and ;"},
    {"[one]\nname\n", .detail = "t.conf:2: neither [section] nor key = value"},
    {"[one]\nname\ncount = 1\nnam = x\n", .detail = "t.conf:2: neither [section] nor key = value"},
    {"[one]\nnam = x\nname\n", .detail = "t.conf:2: unknown key 'nam' in section [one]"},
    {"[one]\nname = x\nname = y\n", .detail = "t.conf:3: one.name is given twice"},
    {"[one]\nname = x\n  y\n", .detail = "t.conf:3: one.name is given twice"},
    {"[two]\nwords = x\n  colour = red\n",
     .detail = "t.conf:3: an indented line continues two.words; begin a key in the first column"},
    {"[one]\ncount = 1\n[one]\ncount = 1\n", .detail = "t.conf:4: one.count is given twice"},

    {"[one]\nname = \"x\"\n",
     .detail = "t.conf:2: one.name: the quotes would be part of the value; remove them"},
    {"[two]\nwords = 'a b'\n",
     .detail = "t.conf:2: two.words: the quotes would be part of the value; remove them"},
    {"[one]\nname = x # y\n",
     .detail = "t.conf:2: one.name: a comment after a value begins with a blank and ;"},
    {"[one]\nname =;x\n",
     .detail = "t.conf:2: one.name: a comment after a value begins with a blank and ;"},
    {"[two]\nwords = x\n  # fine\n  y # z\n",
     .detail = "t.conf:4: two.words: a comment after a value begins with a blank and ;"},
    {"[one]\n# \xe9\nname = \xe9\n", .detail = "t.conf:3: the line is not UTF-8"},

    {"[one]\n\ncount = 11\n", .detail = "t.conf:3: one.count must be from -5 to 10, not 11"},
    {"[one]\ncount = -6\n", .detail = "t.conf:2: one.count must be from -5 to 10, not -6"},
    {"[one]\ncount = 1x\n", .detail = "t.conf:2: one.count: '1x' is not a whole number"},
    {"[one]\ncount = 1.5\n", .detail = "t.conf:2: one.count: '1.5' is not a whole number"},
    {"[one]\ncount = 0x1\n", .detail = "t.conf:2: one.count: '0x1' is not a whole number"},
    {"[one]\ncount = +1\n", .detail = "t.conf:2: one.count: '+1' is not a whole number"},
    {"[one]\ncount = -\n", .detail = "t.conf:2: one.count: '-' is not a whole number"},
    {"[one]\ncount =\n", .detail = "t.conf:2: one.count: '' is not a whole number"},
    {"[one]\ncount = 1 # one\n", .detail = "t.conf:2: one.count: '1 # one' is not a whole number"},
    {"[one]\ncount = 99999999999999999999\n",
     .detail = "t.conf:2: one.count: '99999999999999999999' is not a whole number"},
    {"[one]\nwait = 3d\n",
     .detail = "t.conf:2: one.wait must be from 0 to 172800 seconds, not 259200"},
    {"[one]\nwait = 1 h\n",
     .detail = "t.conf:2: one.wait: '1 h' is not a time span such as 30, 30s, 5m, 1h or 1d"},
    {"[two]\ncolour = blue\n",
     .detail = "t.conf:2: two.colour must be one of red, green, not 'blue'"},
    {"[two]\ncolour = Red\n",
     .detail = "t.conf:2: two.colour must be one of red, green, not 'Red'"},

    {"", "VSAY_ONE_COUNT", "x", "VSAY_ONE_COUNT: one.count: 'x' is not a whole number"},
    {"", "VSAY_ONE_COUNT", " 1", "VSAY_ONE_COUNT: one.count: ' 1' is not a whole number"},
    {"", "VSAY_ONE_COUNT", "", "VSAY_ONE_COUNT: one.count: '' is not a whole number"},
    {"", "VSAY_ONE_COUNT", "11", "VSAY_ONE_COUNT: one.count must be from -5 to 10, not 11"},
    {"", "VSAY_TWO_COLOUR", "", "VSAY_TWO_COLOUR: two.colour must be one of red, green, not ''"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sample sample;
        struct error e;
        if (bad[i].variable)
            setenv(bad[i].variable, bad[i].value, 1);
        enum err err = load(bad[i].text, &sample, &e);
        if (bad[i].variable)
            unsetenv(bad[i].variable);
        assert_string_equal(e.detail, bad[i].detail);
        assert_int_equal(err, ERR_CONFIG);
        assert_int_equal(e.code, ERR_CONFIG);
        unload(&sample);
    }
}

/* Items are whole lines; " ;" begins a comment in them too. */
static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text, *lines;
    } rows[] = {
        {"[two]\nlines =\n", ""},
        {"[two]\nlines = a b, c\n", "a b, c"},
        {"[two]\nlines =\n  p=(.*), q ; first\n\n\t[r]; s\t\n  # second\nlines = t\r\n",
         "p=(.*), q|[r]; s|t"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sample sample;
        struct error e;
        load(rows[i].text, &sample, &e);
        assert_string_equal(e.detail, "");
        assert_string_equal(joined(&sample.lines), rows[i].lines);
        unload(&sample);
    }
}

static void test_without_environment(void **state)
{
    (void)state;
    struct sample sample = {0};
    struct error e = {0};

    setenv("VSAY_ONE_NAME", "b", 1);
    write_bytes("t.conf", "", 0, 0644);
    assert_int_equal(conf_load(options, OPTIONS, "t.conf", false, 0, &sample, &e), ERR_OK);
    assert_string_equal(sample.name, "nobody");
    unsetenv("VSAY_ONE_NAME");
    unload(&sample);
}

static void test_bad_bytes(void **state)
{
    (void)state;
    struct sample sample = {0};
    struct error e = {0};

    write_bytes("t.conf", "[one]\nname = a\0b\n", 17, 0644);
    assert_int_equal(conf_load(options, OPTIONS, "t.conf", true, 0, &sample, &e), ERR_CONFIG);
    assert_string_equal(e.detail, "t.conf:2: the line holds a NUL byte");
    unload(&sample);
}

static void test_long_line(void **state)
{
    (void)state;
    char name[10001] = {0}, text[sizeof name + 20];
    struct sample sample;
    struct error e;

    memset(name, 'x', sizeof name - 1);
    snprintf(text, sizeof text, "[one]\nname = %s ; c", name);
    assert_int_equal(load(text, &sample, &e), ERR_OK);
    assert_string_equal(sample.name, name);
    unload(&sample);
}

static void test_unreadable(void **state)
{
    (void)state;
    struct sample sample = {0};
    struct error e = {0};

    assert_int_equal(conf_load(options, OPTIONS, "absent.conf", true, 0, &sample, &e), ERR_CONFIG);
    assert_string_equal(e.detail, "cannot open absent.conf: No such file or directory");
    assert_int_equal(conf_load(options, OPTIONS, ".", true, 0, &sample, &e), ERR_CONFIG);
    assert_string_equal(e.detail, "cannot read .: Is a directory");
    assert_int_equal(conf_load(options, OPTIONS, "absent.conf", true, 0, &sample, NULL),
                     ERR_CONFIG);
}

static void test_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        long seconds; /* -1: refused */
    } rows[] = {
        {"0", 0},
        {"7", 7},
        {"7s", 7},
        {"2m", 120},
        {"3h", 10800},
        {"1d", 86400},
        {"", -1},
        {"s", -1},
        {"-1", -1},
        {"1.5h", -1},
        {"1w", -1},
        {"1H", -1},
        {"1hh", -1},
        {"1h30m", -1},
        {" 1", -1},
        {"1 ", -1},
        {"99999999999999999999", -1},
        {"9223372036854775807d", -1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        long n = -1;
        assert_int_equal(conf_parse_seconds(rows[i].text, &n), rows[i].seconds >= 0);
        if (rows[i].seconds >= 0)
            assert_int_equal(n, rows[i].seconds);
    }
}

/* --- the real table ------------------------------------------------------ */

static void test_settings_defaults(void **state)
{
    (void)state;
    struct settings settings;
    struct error e = {0};

    write_bytes("t.conf", "", 0, 0644);
    assert_int_equal(settings_load("test", "t.conf", 0, &settings, &e), ERR_OK);
    assert_int_equal(settings.api.db_workers, 3);
    assert_int_equal(settings.auth.leeway, 30);
    assert_int_equal(settings.agents.offline_after, 120);
    assert_string_equal(joined(&settings.db.host), "localhost");
    settings_free(&settings);
}

static void test_settings_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < settings_options_count; i++) {
        const struct conf_option *o = &settings_options[i];
        assert_non_null(o->fallback);
        assert_true(o->help || o->type == CONF_OBSOLETE || o->type == CONF_RENAMED);
        for (size_t j = 0; j < i; j++)
            assert_true(strcmp(o->section, settings_options[j].section) != 0 ||
                        strcmp(o->key, settings_options[j].key) != 0);
    }
}

/* --- secrets ------------------------------------------------------------- */

static void test_secret_modes(void **state)
{
    (void)state;
    static const mode_t fine[] = {0400, 0600, 0640, 0660};
    static const mode_t loose[] = {0601, 0602, 0604, 0644, 0666};
    struct error e = {0};
    char *data;
    size_t length;

    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        write_bytes("secret", "a\0b\n", 4, fine[i]);
        assert_int_equal(file_read_secret("secret", 4, &data, &length, &e), ERR_OK);
        assert_int_equal(length, 4);
        assert_memory_equal(data, "a\0b\n", 5);
        free(data);
    }
    for (size_t i = 0; i < sizeof loose / sizeof *loose; i++) {
        write_bytes("secret", "abc", 3, loose[i]);
        assert_int_equal(file_read_secret("secret", 10, &data, &length, &e), ERR_CONFIG);
        assert_string_equal(e.detail, "secret is open to all users: chmod o= secret");
    }
}

static void test_secret_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *path, *detail;
    } rows[] = {
        {"absent", "cannot open absent: No such file or directory"},
        {"empty", "empty is empty"},
        {"long", "long is longer than 10 bytes"},
        {".", ". is not a regular file"},
        {"fifo", "fifo is not a regular file"},
    };
    struct error e = {0};
    char *data;
    size_t length;

    write_bytes("empty", "", 0, 0600);
    write_bytes("long", "0123456789a", 11, 0600);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(file_read_secret(rows[i].path, 10, &data, &length, &e), ERR_CONFIG);
        assert_string_equal(e.detail, rows[i].detail);
    }
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const made[] = {"t.conf", "secret", "empty", "long", "fifo"};

    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        unlink(made[i]);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_without_environment),
        cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_settings_defaults),
        cmocka_unit_test(test_settings_table),
        cmocka_unit_test(test_secret_modes),
        cmocka_unit_test(test_secret_kinds),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
