/* SPDX-License-Identifier: MIT */
/* The scanner: which bytes form a FastCGI request, and where it ends. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/fcgi_scan.h"

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

/* The result of scanning some bytes. */
struct scanned {
    struct fcgi_scan scan;
    enum record_notice notices[4];
    size_t notice_count, taken, kept_length;
    unsigned char kept[RECORD_PARAMS_MAX];
};

/* Scans in pieces of at most `size` bytes: the first request, or with `all` all of them. */
static struct scanned scanned;
static void scan_pieces(const struct bytes *bytes, size_t size, bool all)
{
    struct record_piece piece;

    memset(&scanned, 0, sizeof scanned);
    while (scanned.taken < bytes->length && scanned.scan.stage != RECORDS_BAD) {
        size_t left = bytes->length - scanned.taken, count = size < left ? size : left;
        unsigned char *copy = malloc(count); /* of the exact size, for AddressSanitizer */
        memcpy(copy, bytes->at + scanned.taken, count);
        size_t taken = fcgi_scan(&scanned.scan, copy, count, &piece);
        memcpy(scanned.kept + scanned.kept_length, piece.bytes ? piece.bytes : copy, piece.length);
        scanned.kept_length += piece.length;
        free(copy);
        scanned.taken += taken;
        if (scanned.scan.notice)
            scanned.notices[scanned.notice_count++] = scanned.scan.notice;
        if (scanned.scan.stage == RECORDS_WHOLE && !all)
            return;
        if (scanned.scan.stage == RECORDS_WHOLE)
            fcgi_scan_next(&scanned.scan);
        else if (scanned.scan.stage != RECORDS_BAD)
            assert_true(taken > 0);
    }
}

static void check_rows(const struct bytes *rows, size_t count, enum record_stage stage)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t size = 1; size < 100; size++) {
            scan_pieces(&rows[i], size, false);
            if (scanned.scan.stage != stage)
                fail_msg("row %zu in %zu: %d", i, size, (int)scanned.scan.stage);
        }
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
        /* records inside content are content */
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
        ROW("\1\1\0\1\0\0\0\0" END_PARAMS END_STDIN), /* no content */
        ROW("\1\1\0\1\1\10\0\0\0\1\0\0\0\0\0\0"),
        ROW("\1\11\0\1\0\0\0\0"), /* GET_VALUES of a request */
        ROW("\1\11\0\0\2\1\0\0"), /* and of 513 bytes */
        ROW(AB END_PARAMS END_STDIN),
        ROW(END_STDIN END_STDIN),
        ROW(BEGIN BEGIN),
        ROW(BEGIN END_STDIN), /* STDIN before the end of PARAMS: libfcgi would block */
        ROW(BEGIN AB END_STDIN),
        ROW(BEGIN "\1\4\0\2\0\0\0\0"), /* of another request */
        ROW(BEGIN "\1\4\1\1\0\0\0\0"),
        ROW(BEGIN AB END_PARAMS "\1\5\0\2\0\0\0\0"),
        ROW(BEGIN AB END_PARAMS AB),
        ROW(BEGIN AB END_PARAMS END_PARAMS),
        ROW(BEGIN AB END_PARAMS "\1\10\0\1\0\0\0\0"), /* DATA */
        ROW(BEGIN AB END_PARAMS "\0\5\0\1\0\0\0\0"),
        /* lengths beyond the content */
        ROW(BEGIN PARAMS("\3", "\1\1a") END_PARAMS),
        ROW(BEGIN PARAMS("\1", "\1") END_PARAMS),
        ROW(BEGIN PARAMS("\5", "\1\1ab\1") END_PARAMS),
        ROW(BEGIN PARAMS("\2", "\200\0") END_PARAMS),
        /* above RECORD_PARAMS_MAX, and a sum above INT_MAX */
        ROW(BEGIN PARAMS("\10", "\377\377\377\377\377\377\377\377")),
        ROW(BEGIN PARAMS("\5", "\0\200\1\0\0")),
        ROW(BEGIN PARAMS("\5", "\377\377\377\377\0")),
        ROW(BEGIN PARAMS("\10", "\300\0\0\0\300\0\0\0")),
    };

    (void)state;
    CHECK(rows, RECORDS_BAD);
}

/* Many pairs: exactly at the limit, and one byte above. */
static void params_are_bounded(void **state)
{
    static const char pair[] = "\1\4\0\1\0\14\0\0\1\11nvaluehere"; /* 12 bytes */
    enum { PAIR = 20, FIT = RECORD_PARAMS_MAX / 12 };
    static char request[16 + (FIT + 1) * PAIR];

    (void)state;
    memcpy(request, BEGIN, 16);
    for (size_t i = 0; i <= FIT; i++)
        memcpy(request + 16 + i * PAIR, pair, PAIR);
    struct bytes bytes = {request, 16 + FIT * PAIR};
    struct fcgi_scan scan = {0};
    struct record_piece piece;
    size_t at = 0;
    while (at < bytes.length && scan.stage != RECORDS_BAD)
        at += fcgi_scan(&scan, (const unsigned char *)request + at, bytes.length - at, &piece);
    assert_int_equal(scan.stage, RECORDS_PARAMS);
    while (at < sizeof request && scan.stage != RECORDS_BAD)
        at += fcgi_scan(&scan, (const unsigned char *)request + at, sizeof request - at, &piece);
    assert_int_equal(scan.stage, RECORDS_BAD);
    assert_int_equal(fcgi_scan(&scan, (const unsigned char *)END_PARAMS, 8, &piece), 0);
}

#define WHOLE BEGIN AB END_PARAMS END_STDIN

/* A request ends with its last byte, padding included; the next one may follow. */
static void requests_follow_one_another(void **state)
{
    static const struct bytes rows[] = {
        ROW(WHOLE "GET /"),
        ROW(WHOLE WHOLE),
        ROW(BEGIN AB END_PARAMS "\1\5\0\1\0\0\3\0"
                                "123" WHOLE),
    };
    static const size_t ends[] = {sizeof WHOLE - 1, sizeof WHOLE - 1, sizeof WHOLE - 1 + 3};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        scan_pieces(&rows[i], 1000, false);
        assert_int_equal(scanned.scan.stage, RECORDS_WHOLE);
        assert_int_equal(scanned.taken, ends[i]);
    }
    for (size_t i = 1; i < 3; i++) {
        scan_pieces(&rows[i], 7, true);
        assert_int_equal(scanned.taken, rows[i].length);
        assert_true(fcgi_scan_between(&scanned.scan));
    }
}

#define VALUES                                                                                     \
    "\1\11\0\0\0\20\0\0"                                                                           \
    "\16\0FCGI_MAX_CONNS"
#define MANAGEMENT                                                                                 \
    "\1\52\0\0\0\2\1\0"                                                                            \
    "xyz"
#define ABORT "\1\2\0\1\0\0\0\0"
#define FILTER "\1\1\0\1\0\10\0\0\0\3\1\0\0\0\0\0"
#define OTHER "\1\1\0\2\0\10\0\0\0\1\0\0\0\0\0\0"

/* Records outside the request are reported and not kept. */
static void other_records_are_reported(void **state)
{
    static const struct {
        struct bytes bytes;
        enum record_notice notices[4];
        enum record_stage stage;
        size_t kept;
    } rows[] = {
        {ROW(VALUES), {NOTICE_VALUES}, RECORDS_BEGIN, 0},
        {ROW(MANAGEMENT WHOLE), {NOTICE_UNKNOWN_TYPE}, RECORDS_WHOLE, sizeof WHOLE - 1},
        {ROW(BEGIN VALUES AB END_PARAMS MANAGEMENT END_STDIN),
         {NOTICE_VALUES, NOTICE_UNKNOWN_TYPE},
         RECORDS_WHOLE,
         sizeof WHOLE - 1},
        {ROW(FILTER AB END_PARAMS END_STDIN WHOLE),
         {NOTICE_UNKNOWN_ROLE},
         RECORDS_WHOLE,
         sizeof WHOLE - 1},
        {ROW(BEGIN AB OTHER "\1\4\0\2\0\0\0\0" END_PARAMS "\1\5\0\2\0\0\0\0" END_STDIN),
         {NOTICE_CANT_MULTIPLEX},
         RECORDS_WHOLE,
         sizeof WHOLE - 1},
        {ROW(BEGIN ABORT), {NOTICE_ABORT}, RECORDS_PARAMS, 16},
        {ROW(BEGIN AB END_PARAMS ABORT), {NOTICE_ABORT}, RECORDS_BODY, 16 + 12 + 8},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t size = 1; size < 100; size++) {
            scan_pieces(&rows[i].bytes, size, false);
            assert_int_equal(scanned.scan.stage, rows[i].stage);
            assert_memory_equal(scanned.notices, rows[i].notices, sizeof scanned.notices);
            assert_int_equal(scanned.kept_length, rows[i].kept);
            assert_int_equal(scanned.taken, rows[i].bytes.length);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(unfinished),
        cmocka_unit_test(bad),
        cmocka_unit_test(params_are_bounded),
        cmocka_unit_test(requests_follow_one_another),
        cmocka_unit_test(other_records_are_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
