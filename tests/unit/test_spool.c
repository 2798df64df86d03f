/* SPDX-License-Identifier: MIT */
/* Tests of agent/spool: order, durability, what a crash leaves behind, and the size limit. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/spool.h"
#include "base/log.h"

enum { MAX = 8192 };

static char directory[] = "/tmp/test_spool.XXXXXX";
static const char path[] = "spool";
static struct error e;
static uid_t uid; /* the user of the records that are appended */

static struct spool *reopen(struct spool *spool)
{
    spool_close(spool);
    assert_int_equal(spool_open(path, MAX, &spool, &e), ERR_OK);
    return spool;
}

static enum err append(struct spool *spool, enum record_kind kind, int seq, size_t padding)
{
    static const char *const kinds[] = {"open", "command", "end"};
    struct json_object *object = json_object_new_object();
    char text[MAX] = "";

    memset(text, 'x', padding);
    json_object_object_add(object, "type", json_object_new_string(kinds[kind]));
    json_object_object_add(object, "uid", json_object_new_int64(uid));
    json_object_object_add(object, "seq", json_object_new_int(seq));
    json_object_object_add(object, "padding", json_object_new_string(text));
    enum err err = spool_append(spool, kind, object, &e);
    json_object_put(object);
    return err;
}

static void add(struct spool *spool, enum record_kind kind, int seq, size_t padding)
{
    assert_int_equal(append(spool, kind, seq, padding), ERR_OK);
    assert_int_equal(spool_sync(spool, &e), ERR_OK);
}

/* Describes the waiting records, such as "o1 c2 e3". Sets *last to the newest number. */
static const char *waiting(struct spool *spool, size_t room, size_t bytes, uint64_t *last)
{
    static char text[4096];
    struct record records[512];
    size_t count = spool_take(spool, records, room, bytes);

    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        struct json_object *object = json_tokener_parse(records[i].line), *seq;
        assert_int_equal(strlen(records[i].line), records[i].length);
        json_object_object_get_ex(object, "seq", &seq);
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s%c%d", i ? " " : "",
                 "oce"[records[i].kind], json_object_get_int(seq));
        json_object_put(object);
        *last = records[i].number;
        free(records[i].line);
    }
    return text;
}

static void assert_waiting(struct spool *spool, const char *expected)
{
    uint64_t last;

    assert_string_equal(waiting(spool, 512, 1 << 20, &last), expected);
}

static size_t file_size(void)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (size_t)st.st_size;
}

static void test_order(void **state)
{
    (void)state;
    struct spool *spool = reopen(NULL);
    size_t empty = file_size();
    uint64_t last = 0;

    add(spool, RECORD_OPEN, 1, 0);
    add(spool, RECORD_COMMAND, 2, 0);
    add(spool, RECORD_END, 3, 0);
    assert_waiting(spool, "o1 c2 e3");
    spool = reopen(spool);
    assert_waiting(spool, "o1 c2 e3");
    assert_string_equal(waiting(spool, 2, 1 << 20, &last), "o1 c2");
    spool_remove(spool, last);
    assert_waiting(spool, "e3");
    assert_string_equal(waiting(spool, 1, 1, &last), "e3");
    spool_remove(spool, last);
    assert_waiting(spool, "");
    assert_int_equal(file_size(), empty);
    add(spool, RECORD_OPEN, 4, 0);
    assert_waiting(spool, "o4");
    spool_close(spool);
}

static void test_bytes(void **state)
{
    (void)state;
    struct spool *spool = reopen(NULL);
    uint64_t last;

    for (int i = 1; i <= 5; i++)
        add(spool, RECORD_COMMAND, i, 500);
    assert_string_equal(waiting(spool, 512, 1200, &last), "c1 c2");
    assert_string_equal(waiting(spool, 512, 1, &last), "c1");
    spool_close(spool);
}

static void test_only_what_is_synced(void **state)
{
    (void)state;
    struct spool *spool = reopen(NULL);

    assert_int_equal(append(spool, RECORD_COMMAND, 1, 0), ERR_OK);
    assert_waiting(spool, "");
    assert_int_equal(spool_sync(spool, &e), ERR_OK);
    assert_waiting(spool, "c1");
    spool_close(spool);
}

static void put_bytes(const char *text)
{
    FILE *file = fopen(path, "a");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void test_torn_line(void **state)
{
    (void)state;
    struct spool *spool = reopen(NULL);

    add(spool, RECORD_COMMAND, 1, 0);
    put_bytes("{\"type\":\"command\",\"seq\":");
    spool = reopen(spool);
    add(spool, RECORD_COMMAND, 2, 0);
    spool = reopen(spool);
    assert_waiting(spool, "c1 c2");
    spool_close(spool);
}

static void test_damaged_line(void **state)
{
    (void)state;
    struct spool *spool = reopen(NULL);

    add(spool, RECORD_COMMAND, 1, 0);
    put_bytes("dust\n[]\n{\"type\":7}\n\n");
    spool = reopen(spool);
    add(spool, RECORD_END, 2, 0);
    assert_waiting(spool, "c1 e2");
    spool_close(spool);
}

static void test_not_a_spool(void **state)
{
    (void)state;
    struct spool *spool;

    put_bytes("precious\n");
    assert_int_equal(spool_open(path, MAX, &spool, &e), ERR_IO);
    assert_string_equal(e.detail, "spool is not a spool of vsay-agent");
}

static void test_bound(void **state)
{
    (void)state;
    struct spool *spool = reopen(NULL);

    add(spool, RECORD_OPEN, 1, 0);
    add(spool, RECORD_END, 2, 0);
    for (int i = 3; i <= 40; i++) {
        add(spool, RECORD_COMMAND, i, 950);
        assert_true(file_size() <= MAX);
    }
    uint64_t dropped = spool_dropped(spool);
    assert_in_range(dropped, 30, 32);
    spool = reopen(spool);
    assert_int_equal(spool_dropped(spool), dropped);
    uint64_t last = 0;
    const char *left = waiting(spool, 512, 1 << 20, &last);
    assert_memory_equal(left, "o1 e2 c3", 7);
    assert_string_equal(left + strlen(left) - 3, "c40");
    spool_remove(spool, last);
    spool = reopen(spool);
    assert_int_equal(spool_dropped(spool), dropped);
    spool_close(spool);
}

static void test_who_takes_little_keeps_all(void **state)
{
    (void)state;
    struct spool *spool = reopen(NULL);
    uint64_t last = 0;

    uid = 1000;
    add(spool, RECORD_COMMAND, 1, 950);
    uid = 1001;
    for (int i = 2; i <= 40; i++)
        add(spool, RECORD_COMMAND, i, 950);
    spool = reopen(spool);
    for (int i = 41; i <= 60; i++)
        add(spool, RECORD_COMMAND, i, 950);
    assert_memory_equal(waiting(spool, 2, 1 << 20, &last), "c1 c5", 5);
    assert_in_range(spool_dropped(spool), 50, 55);
    uid = 0;
    spool_close(spool);
}

static void test_events_are_never_given_up(void **state)
{
    (void)state;
    struct spool *spool = reopen(NULL);
    char expected[512] = "";

    for (int i = 1; i <= 30; i++) {
        size_t length = strlen(expected);
        add(spool, RECORD_END, i, 950);
        snprintf(expected + length, sizeof expected - length, "%se%d", i > 1 ? " " : "", i);
    }
    assert_waiting(spool, expected);
    assert_int_equal(spool_dropped(spool), 0);
    assert_true(file_size() > MAX);
    spool_close(spool);
}

static void test_what_is_being_sent_is_not_given_up(void **state)
{
    (void)state;
    struct spool *spool = reopen(NULL);
    uint64_t last = 0;

    for (int i = 1; i <= 3; i++)
        add(spool, RECORD_COMMAND, i, 950);
    assert_string_equal(waiting(spool, 2, 1 << 20, &last), "c1 c2");
    for (int i = 4; i <= 20; i++)
        add(spool, RECORD_COMMAND, i, 950);
    uint64_t dropped = spool_dropped(spool);
    assert_true(dropped > 0);
    spool_remove(spool, last);
    assert_memory_equal(waiting(spool, 1, 1 << 20, &last), "c", 1);
    spool = reopen(spool);
    assert_memory_equal(waiting(spool, 512, 1 << 20, &last), "c1 c2 c", 7);
    spool_close(spool);
}

static void test_room_of_what_was_sent_is_used_again(void **state)
{
    (void)state;
    struct spool *spool = reopen(NULL);
    uint64_t last = 0;

    for (int i = 1; i <= 100; i++) {
        add(spool, RECORD_COMMAND, i, 950);
        if (i > 2) {
            waiting(spool, 1, 1 << 20, &last);
            spool_remove(spool, last);
        }
        assert_true(file_size() <= MAX);
    }
    assert_waiting(spool, "c99 c100");
    assert_int_equal(spool_dropped(spool), 0);
    spool_close(spool);
}

static void count_end(struct json_object *end, void *user)
{
    assert_non_null(end);
    ++*(int *)user;
}

static void test_each_end(void **state)
{
    (void)state;
    struct spool *spool = reopen(NULL);
    int count = 0;

    add(spool, RECORD_OPEN, 1, 0);
    add(spool, RECORD_END, 2, 0);
    add(spool, RECORD_COMMAND, 3, 0);
    add(spool, RECORD_END, 4, 0);
    spool_each_end(spool, count_end, &count);
    assert_int_equal(count, 2);
    spool_close(spool);
}

static int clean(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    log_open("test_spool", false, LEVEL_ERROR);
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(directory);
}

#define TEST(name) cmocka_unit_test_teardown(name, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order),
        TEST(test_bytes),
        TEST(test_only_what_is_synced),
        TEST(test_torn_line),
        TEST(test_damaged_line),
        TEST(test_not_a_spool),
        TEST(test_bound),
        TEST(test_who_takes_little_keeps_all),
        TEST(test_events_are_never_given_up),
        TEST(test_what_is_being_sent_is_not_given_up),
        TEST(test_room_of_what_was_sent_is_used_again),
        TEST(test_each_end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
