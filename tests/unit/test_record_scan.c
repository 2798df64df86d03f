/* SPDX-License-Identifier: MIT */
/* Which bytes are one FastCGI request, and where it ends. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/record_scan.h"

#define BEGIN "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"
#define END_PARAMS "\1\4\0\1\0\0\0\0"
#define END_STDIN "\1\5\0\1\0\0\0\0"
/* PARAMS of `length` bytes */
#define PARAMS(length, content) "\1\4\0\1\0" length "\0\0" content
#define AB PARAMS("\4", "\1\1ab")

struct bytes {
    const char *at;
    size_t length;
};

#define ROW(literal)                                                                               \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static enum record_stage scan_all(const struct bytes *bytes)
{
    struct record_scan scan = {0};
    unsigned char *copy = malloc(bytes->length + 1);

    memcpy(copy, bytes->at, bytes->length);
    enum record_stage stage = record_scan(&scan, copy, bytes->length);
    free(copy);
    return stage;
}

/* In pieces of `size` bytes; the stage is the same, and a request ends with its last byte. */
static enum record_stage scan_pieces(const struct bytes *bytes, size_t size)
{
    struct record_scan scan = {0};

    for (size_t at = 0; at < bytes->length; at += size) {
        size_t count = size < bytes->length - at ? size : bytes->length - at;
        assert_true(scan.stage != RECORDS_WHOLE);
        record_scan(&scan, (const unsigned char *)bytes->at + at, count);
    }
    return scan.stage;
}

static void check_rows(const struct bytes *rows, size_t count, enum record_stage stage)
{
    for (size_t i = 0; i < count; i++) {
        if (scan_all(&rows[i]) != stage)
            fail_msg("row %zu: %d", i, (int)scan_all(&rows[i]));
        for (size_t size = 1; size < 20; size++)
            assert_int_equal(scan_pieces(&rows[i], size), stage);
    }
}

#define CHECK(rows, stage) check_rows(rows, sizeof(rows) / sizeof *(rows), stage)

static void whole(void **state)
{
    static const struct bytes rows[] = {
        ROW(BEGIN END_PARAMS END_STDIN),
        ROW(BEGIN AB END_PARAMS END_STDIN),
        ROW(BEGIN AB END_PARAMS "\1\5\0\1\0\2\0\0xy" END_STDIN),
        ROW(BEGIN AB AB END_PARAMS "\1\5\0\1\0\1\3\0x123" END_STDIN), /* padding */
        ROW("\1\1\0\1\0\10\3\0\0\1\1\0\0\0\0\0"
            "123" AB END_PARAMS END_STDIN),
        ROW(BEGIN PARAMS("\1", "\1") PARAMS("\2", "\1a") PARAMS("\1", "b") END_PARAMS END_STDIN),
        ROW(BEGIN PARAMS("\12", "\200\0\0\1\200\0\0\1ab") END_PARAMS END_STDIN),
        ROW(BEGIN PARAMS("\7", "\1\200\0\0\1ab") END_PARAMS END_STDIN),
        ROW(BEGIN PARAMS("\2", "\0\0") END_PARAMS END_STDIN),
        /* records within content are content */
        ROW(BEGIN PARAMS("\12", "\10\0" END_STDIN) END_PARAMS END_STDIN),
        ROW(BEGIN END_PARAMS "\1\5\0\1\0\10\0\0" END_STDIN END_STDIN),
    };

    (void)state;
    CHECK(rows, RECORDS_WHOLE);
}

static void unfinished(void **state)
{
    static const struct bytes beginnings[] = {ROW(""), ROW("\1"), ROW("\1\1\0\1\0\10\0\0\0\1\0")};
    static const struct bytes params[] = {ROW(BEGIN), ROW(BEGIN AB), ROW(BEGIN "\1\4\0\1\0"),
                                          ROW(BEGIN PARAMS("\4", "\1\1a")),
                                          ROW(BEGIN PARAMS("\1", "\200"))};
    static const struct bytes bodies[] = {ROW(BEGIN AB END_PARAMS), ROW(BEGIN END_PARAMS "\1\5\0"),
                                          ROW(BEGIN END_PARAMS "\1\5\0\1\0\2\0\0xy"),
                                          ROW(BEGIN END_PARAMS "\1\5\0\1\0\2\0\0x")};

    (void)state;
    CHECK(beginnings, RECORDS_BEGIN);
    CHECK(params, RECORDS_PARAMS);
    CHECK(bodies, RECORDS_BODY);
}

static void bad(void **state)
{
    static const struct bytes rows[] = {
        ROW("GET / HTTP/1.1\r\n"),
        ROW("\2\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"),     /* version */
        ROW("\1\1\0\0\0\10\0\0\0\1\0\0\0\0\0\0"),     /* request id 0 */
        ROW("\1\1\0\1\0\10\0\0\0\2\0\0\0\0\0\0"),     /* authorizer */
        ROW("\1\1\0\1\0\10\0\0\1\1\0\0\0\0\0\0"),     /* role 257 */
        ROW("\1\1\0\1\0\0\0\0" END_PARAMS END_STDIN), /* no content */
        ROW("\1\1\0\1\1\10\0\0\0\1\0\0\0\0\0\0"),
        ROW("\1\11\0\0\0\0\0\0" BEGIN), /* management */
        ROW(AB END_PARAMS END_STDIN),
        ROW(END_STDIN END_STDIN),
        ROW(BEGIN BEGIN),
        ROW(BEGIN END_STDIN), /* STDIN before PARAMS have ended: libfcgi would wait */
        ROW(BEGIN AB END_STDIN),
        ROW(BEGIN "\1\2\0\1\0\0\0\0"), /* ABORT_REQUEST */
        ROW(BEGIN "\1\4\0\2\0\0\0\0"), /* another request's */
        ROW(BEGIN "\1\4\1\1\0\0\0\0"),
        ROW(BEGIN AB END_PARAMS "\1\5\0\2\0\0\0\0"),
        ROW(BEGIN AB END_PARAMS AB),
        ROW(BEGIN AB END_PARAMS END_PARAMS),
        ROW(BEGIN AB END_PARAMS "\1\10\0\1\0\0\0\0"), /* DATA */
        ROW(BEGIN AB END_PARAMS "\0\5\0\1\0\0\0\0"),
        /* lengths that do not fit */
        ROW(BEGIN PARAMS("\3", "\1\1a") END_PARAMS),
        ROW(BEGIN PARAMS("\1", "\1") END_PARAMS),
        ROW(BEGIN PARAMS("\5", "\1\1ab\1") END_PARAMS),
        ROW(BEGIN PARAMS("\2", "\200\0") END_PARAMS),
        /* over RECORD_PARAMS_MAX, and over INT_MAX together */
        ROW(BEGIN PARAMS("\10", "\377\377\377\377\377\377\377\377")),
        ROW(BEGIN PARAMS("\5", "\0\200\1\0\0")),
        ROW(BEGIN PARAMS("\5", "\377\377\377\377\0")),
        ROW(BEGIN PARAMS("\10", "\300\0\0\0\300\0\0\0")),
    };

    (void)state;
    CHECK(rows, RECORDS_BAD);
}

/* Many pairs: the last one that fits, and one byte more. */
static void params_are_bounded(void **state)
{
    static const char pair[] = "\1\4\0\1\0\14\0\0\1\11nvaluehere"; /* 12 bytes */
    struct record_scan scan = {0};

    (void)state;
    record_scan(&scan, (const unsigned char *)BEGIN, 16);
    for (size_t sum = 12; sum <= RECORD_PARAMS_MAX; sum += 12)
        assert_int_equal(record_scan(&scan, (const unsigned char *)pair, 20), RECORDS_PARAMS);
    assert_int_equal(record_scan(&scan, (const unsigned char *)pair, 20), RECORDS_BAD);
    assert_int_equal(record_scan(&scan, (const unsigned char *)END_PARAMS, 8), RECORDS_BAD);
}

static void what_follows_is_not_looked_at(void **state)
{
    static const struct bytes rows[] = {ROW(BEGIN END_PARAMS END_STDIN "GET /"),
                                        ROW(BEGIN END_PARAMS END_STDIN BEGIN)};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(scan_all(&rows[i]), RECORDS_WHOLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(unfinished),
        cmocka_unit_test(bad),
        cmocka_unit_test(params_are_bounded),
        cmocka_unit_test(what_follows_is_not_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
