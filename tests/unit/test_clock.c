/* SPDX-License-Identifier: MIT */
/* base/clock: valid RFC 3339 times, and texts that only look like one. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static void times(void **state)
{
    static const struct {
        const char *text, *sql;
    } rows[] = {
        {"2026-02-06T12:00:00Z", "2026-02-06 12:00:00.000"},
        {"2026-02-06t12:00:00z", "2026-02-06 12:00:00.000"},
        {"2026-02-06 12:00:00Z", "2026-02-06 12:00:00.000"},
        {"2026-02-06T12:00:00.1Z", "2026-02-06 12:00:00.100"},
        {"2026-02-06T12:00:00.12Z", "2026-02-06 12:00:00.120"},
        {"2026-02-06T12:00:00.012Z", "2026-02-06 12:00:00.012"},
        {"2026-02-06T12:00:00.9999Z", "2026-02-06 12:00:00.999"},
        {"2026-02-06T12:00:00.00000000000000000000000000001Z", "2026-02-06 12:00:00.000"},
        {"2026-02-06T12:00:00+00:00", "2026-02-06 12:00:00.000"},
        {"2026-02-06T12:00:00-00:00", "2026-02-06 12:00:00.000"},
        {"2026-02-06T12:00:00.5+05:30", "2026-02-06 06:30:00.500"},
        {"2026-02-06T12:00:00-23:59", "2026-02-07 11:59:00.000"},
        {"2026-01-01T00:30:00+01:00", "2025-12-31 23:30:00.000"},
        {"2024-02-29T00:00:00Z", "2024-02-29 00:00:00.000"},
        {"2000-02-29T00:00:00Z", "2000-02-29 00:00:00.000"},
        {"2024-02-28T23:30:00-01:00", "2024-02-29 00:30:00.000"},
        {"2016-12-31T23:59:60Z", "2017-01-01 00:00:00.000"},
        {"2016-12-31T23:59:60.5Z", "2017-01-01 00:00:00.500"},
        {"1970-01-01T00:00:00Z", "1970-01-01 00:00:00.000"},
        {"9999-12-31T23:59:59.999Z", "9999-12-31 23:59:59.999"},
        {"9999-12-31T23:59:59+00:01", "9999-12-31 23:58:59.000"},
    };
    char sql[SQL_TIME_LENGTH + 1];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(clock_parse(rows[i].text, sql));
        assert_string_equal(sql, rows[i].sql);
    }
}

static void no_times(void **state)
{
    static const char *const rows[] = {
        "",
        "now",
        "1700000000",
        "2026-02-06",
        "2026-02-06T12:00:00",
        "2026-02-06T12:00Z",
        "2026-02-06T12:00:00.Z",
        "2026-02-06T12:00:00,5Z",
        "2026-02-06T12:00:00ZZ",
        "2026-02-06T12:00:00Z ",
        " 2026-02-06T12:00:00Z",
        "2026-02-06T12:00:00+0100",
        "2026-02-06T12:00:00+01",
        "2026-02-06T12:00:00+24:00",
        "2026-02-06T12:00:00+01:60",
        "2026-02-06T12:00:00+1:00",
        "2026-02-06T12:00:00+-1:00",
        "2026-02-06T12:00:00 Z",
        "2026-02-06_12:00:00Z",
        "2026-2-06T12:00:00Z",
        "26-02-06T12:00:00Z",
        "20260206T120000Z",
        "2026-W06-5T12:00:00Z",
        "2026-00-06T12:00:00Z",
        "2026-13-06T12:00:00Z",
        "2026-02-00T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "2024-02-30T12:00:00Z",
        "2100-02-29T12:00:00Z",
        "2026-04-31T12:00:00Z",
        "2026-02-06T24:00:00Z",
        "2026-02-06T12:60:00Z",
        "2026-02-06T12:00:61Z",
        "-026-02-06T12:00:00Z",
        "+2026-02-06T12:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
    };
    char sql[SQL_TIME_LENGTH + 1];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (clock_parse(rows[i], sql))
            fail_msg("\"%s\" was taken for %s", rows[i], sql);
    }
}

/* No prefix of a time is a time, and none is read past its end. */
static void cut_times(void **state)
{
    static const char whole[] = "2026-02-06T12:00:00.123+01:00";
    char sql[SQL_TIME_LENGTH + 1];

    (void)state;
    for (size_t length = 0; length < strlen(whole); length++) {
        char *cut = strndup(whole, length);
        assert_false(clock_parse(cut, sql));
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(no_times),
        cmocka_unit_test(cut_times),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
