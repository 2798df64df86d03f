/* SPDX-License-Identifier: MIT */
/* FastCGI records: requests that arrive in pieces, responses sent in pieces, management records. */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/fcgi.h"

static void pair(int ends[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static void test_incoming(void **state)
{
    const struct record_piece pieces[] = {{(const unsigned char *)"first ", 6},
                                          {(const unsigned char *)"second", 6}};
    struct incoming incoming = {.file = -1};
    char kept[20];

    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        assert_true(incoming_keep(&incoming, &pieces[0]));
        assert_true(incoming_keep(&incoming, &pieces[1]));
        assert_int_equal(read(incoming_open(&incoming), kept, sizeof kept), 12);
        assert_memory_equal(kept, "first second", 12);
        incoming_close(&incoming);
    }
    incoming_close(&incoming);
}

/* A request that is too large is truncated, and its remaining pieces are accepted. */
static void test_incoming_is_bounded(void **state)
{
    static unsigned char much[1 << 20];
    const struct record_piece piece = {much, sizeof much};
    struct incoming incoming = {.file = -1};

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_true(incoming_keep(&incoming, &piece));
    assert_int_equal(incoming.size, 8 << 20);
    incoming_close(&incoming);
}

/* All requests together are bounded too; closing one makes room. */
static void test_all_are_bounded(void **state)
{
    static unsigned char much[8 << 20];
    const struct record_piece piece = {much, sizeof much};
    struct incoming incoming[32], one_more = {.file = -1};

    (void)state;
    for (int i = 0; i < 32; i++) {
        incoming[i] = (struct incoming){.file = -1};
        assert_true(incoming_keep(&incoming[i], &piece));
    }
    assert_false(incoming_keep(&one_more, &piece));
    incoming_close(&one_more);
    incoming_close(&incoming[7]);
    assert_true(incoming_keep(&one_more, &piece));
    incoming_close(&one_more);
    for (int i = 0; i < 32; i++)
        incoming_close(&incoming[i]);
}

enum { BODY = 200 * 1000 };

/* Reads records up to END_REQUEST, and joins the contents of STDOUT in `out`. */
static size_t read_records(const unsigned char *bytes, size_t count, char *out)
{
    size_t at = 0, used = 0;

    for (;;) {
        assert_true(at + RECORD_HEADER <= count);
        const unsigned char *header = bytes + at;
        size_t length = (size_t)header[4] << 8 | header[5];
        assert_int_equal(header[0], 1);
        assert_int_equal(header[2] << 8 | header[3], 258);
        at += RECORD_HEADER;
        if (header[1] == 3) {
            assert_int_equal(at + length, count);
            return used;
        }
        assert_int_equal(header[1], 6);
        memcpy(out + used, bytes + at, length);
        at += length;
        used += length;
    }
}

static void test_outgoing(void **state)
{
    static unsigned char received[2 * BODY];
    static char body[BODY], shown[2 * BODY];
    struct outgoing outgoing;
    enum progress progress;
    size_t count = 0;
    ssize_t n;
    int ends[2], small = 4096, batches = 0;

    (void)state;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i % 251);
    pair(ends);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    outgoing = (struct outgoing){258, "head", body, 4, sizeof body, 0};
    do {
        progress = outgoing_send(&outgoing, ends[0]);
        while ((n = read(ends[1], received + count, 777)) > 0)
            count += (size_t)n;
        batches++;
    } while (progress == PROGRESS_MORE);
    assert_int_equal(progress, PROGRESS_COMPLETE);
    assert_true(batches > 3);
    assert_int_equal(read_records(received, count, shown), 4 + sizeof body);
    assert_memory_equal(shown, "head", 4);
    assert_memory_equal(shown + 4, body, sizeof body);
    close(ends[1]);
    outgoing = (struct outgoing){258, "head", body, 4, sizeof body, 0};
    assert_int_equal(outgoing_send(&outgoing, ends[0]), PROGRESS_BROKEN);
    close(ends[0]);
}

/* Sending resumes correctly from every offset, for several lengths of the last record. */
static void test_outgoing_goes_on(void **state)
{
    static char body[70 * 1024], whole[80 * 1024], rest[80 * 1024];
    static const size_t sizes[] = {
        1, 100, 32 * 1024 - 5, 32 * 1024 - 4, 32 * 1024 - 3, 64 * 1024 - 4};

    (void)state;
    memset(body, 'b', sizeof body);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct outgoing all = {1, "head", body, 4, sizes[i], 0};
        size_t length = 0;
        for (size_t back = 0; back == 0 || back < 60; back++) {
            struct outgoing part = all;
            int ends[2];
            if (back > length && length)
                break;
            part.sent = length ? length - back : 0;
            pair(ends);
            assert_int_equal(outgoing_send(&part, ends[0]), PROGRESS_COMPLETE);
            close(ends[0]);
            size_t got = 0;
            ssize_t n;
            while ((n = read(ends[1], rest + got, sizeof rest - got)) > 0)
                got += (size_t)n;
            close(ends[1]);
            if (length == 0) {
                length = got;
                memcpy(whole, rest, got);
            } else {
                assert_int_equal(got, back);
                assert_memory_equal(rest, whole + length - back, back);
            }
        }
    }
}

static void test_values(void **state)
{
    static const char asked[] = "\17\0FCGI_MPXS_CONNS\4\0NAME\16\0FCGI_MAX_CONNS";
    static const char expected[] =
        "\1\12\0\0\0\47\0\0\16\5FCGI_MAX_CONNS65536\17\1FCGI_MPXS_CONNS0";
    static const char cut[] = "\16\0FCGI_MAX";
    unsigned char out[RECORD_ANSWER_MAX];

    (void)state;
    assert_int_equal(record_values(out, (const unsigned char *)asked, sizeof asked - 1, 65536),
                     sizeof expected - 1);
    assert_memory_equal(out, expected, sizeof expected - 1);
    assert_int_equal(record_values(out, (const unsigned char *)cut, sizeof cut - 1, 1), 8);
    assert_int_equal(record_values(out, (const unsigned char *)cut, 0, 1), 8);
    assert_int_equal(record_values(out, (const unsigned char *)cut, 1, 1), 8);
}

static void test_ends(void **state)
{
    static const char end[] = "\1\3\1\2\0\10\0\0\0\0\0\0\3\0\0";
    static const char unknown[] = "\1\13\0\0\0\10\0\0\52\0\0\0\0\0\0";
    unsigned char out[RECORD_ANSWER_MAX];

    (void)state;
    assert_int_equal(record_end(out, 258, UNKNOWN_ROLE), 16);
    assert_memory_equal(out, end, 16);
    assert_int_equal(record_unknown_type(out, 42), 16);
    assert_memory_equal(out, unknown, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_incoming),
        cmocka_unit_test(test_incoming_is_bounded),
        cmocka_unit_test(test_all_are_bounded),
        cmocka_unit_test(test_outgoing),
        cmocka_unit_test(test_outgoing_goes_on),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
