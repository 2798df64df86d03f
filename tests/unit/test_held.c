/* SPDX-License-Identifier: MIT */
/* agent/held: what is known after a restart, who must end, what a heartbeat lists. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/held.h"
#include "base/log.h"

#define ID "sess_0123456789abcdef0123456789abcdef"
#define OTHER "sess_ffffffffffffffffffffffffffffffff"

static char directory[] = "/tmp/test_held.XXXXXX";
static struct error e;

static struct held_table *reopen(struct held_table *table)
{
    held_close(table);
    assert_int_equal(held_open(".", &table, &e), ERR_OK);
    return table;
}

static struct held *add_of(struct held_table *table, const char *id, uid_t uid)
{
    static int64_t seq = 0;
    struct held new = {.uid = uid, .seq = ++seq, .tree = {.shell = {10, 100}, .leader = {11, 110}}};
    struct held *held = NULL;

    snprintf(new.id, sizeof new.id, "%s", id);
    assert_int_equal(held_add(table, &new, NULL, &held, &e), ERR_OK);
    assert_string_equal(held->id, id);
    return held;
}

static struct held *add(struct held_table *table, const char *id)
{
    return add_of(table, id, 1000);
}

static size_t listed(struct held_table *table)
{
    struct json_object *ids = held_ids(table);
    size_t count = json_object_array_length(ids);

    json_object_put(ids);
    return count;
}

static void test_ids(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "sess_",
                                      "sess_1",
                                      ID "0",
                                      "/ess_" ID,
                                      "../../" ID,
                                      "sess_0123456789ABCDEF0123456789ABCDEF",
                                      "sess_0123456789abcdef0123456789abcde/"};

    assert_true(held_id_valid(ID));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(held_id_valid(bad[i]));
}

static void test_restart(void **state)
{
    (void)state;
    struct held_table *table = reopen(NULL);

    add(table, ID);
    table = reopen(table);
    const struct held *held = held_find(table, ID);
    assert_non_null(held);
    assert_int_equal(held->uid, 1000);
    assert_int_equal(held->tree.shell.pid, 10);
    assert_int_equal(held->tree.shell.start, 100);
    assert_int_equal(held->tree.leader.pid, 11);
    assert_int_equal(held->tree.leader.start, 110);
    assert_int_equal(held->tree.uid, 1000);
    assert_false(held->tree.leader_seen);
    assert_int_equal(held->state, HELD_RUNNING);
    held_remove(table, held_find(table, ID));
    table = reopen(table);
    assert_null(held_at(table, 0));
    held_close(table);
}

static void test_damaged_files(void **state)
{
    (void)state;
    static const char *const names[] = {ID ".json", OTHER ".json", ID ".json.new", "notes.json"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        FILE *file = fopen(names[i], "w");
        assert_non_null(file);
        fputs(i == 1 ? "{}" : "{", file);
        assert_int_equal(fclose(file), 0);
    }
    struct held_table *table = reopen(NULL);
    assert_null(held_find(table, ID));
    assert_int_equal(held_find(table, OTHER)->tree.shell.pid, 0);
    held_close(table);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(names[i]);
}

static void test_condemned_once(void **state)
{
    (void)state;
    struct held_table *table = reopen(NULL);
    struct held *held = add(table, ID);

    assert_null(held_reason(table, held));
    assert_true(held_condemnable(table, ID));
    assert_false(held_condemnable(table, OTHER));
    held_condemn(table, OTHER, "who?");
    held_condemn(table, ID, "ended by alice");
    held_condemn(table, ID, "ended by bob");
    assert_string_equal(held_reason(table, held), "ended by alice");
    assert_false(held_condemnable(table, ID));
    held_remove(table, held);
    held_close(table);
}

static void test_confirmed_is_not_listed(void **state)
{
    (void)state;
    struct held_table *table = reopen(NULL);
    struct held *held = add(table, ID), *other = add(table, OTHER);

    assert_int_equal(listed(table), 2);
    held_confirm(table, ID);
    assert_true(held_confirmed(table, held));
    assert_false(held_confirmed(table, other));
    assert_int_equal(listed(table), 1);
    held_remove(table, held);
    assert_ptr_equal(held_at(table, 0), other);
    held_remove(table, other);
    held_close(table);
}

static void remove_all(struct held_table *table)
{
    struct held *held;

    while ((held = held_at(table, 0)))
        held_remove(table, held);
    held_close(table);
}

/* Sessions that have ended take no room, and a heartbeat lists the oldest, after a restart too. */
static void test_many(void **state)
{
    (void)state;
    struct held_table *table = reopen(NULL);
    char id[SESSION_ID_LENGTH + 1];

    add(table, OTHER);
    for (int i = 0; i < HELD_MAX; i++) {
        snprintf(id, sizeof id, "sess_%032x", HELD_MAX - i);
        assert_true(held_room(table, 1000));
        add(table, id)->state = HELD_ENDED;
    }
    add(table, ID);
    table = reopen(table);
    struct json_object *ids = held_ids(table);
    assert_int_equal(json_object_array_length(ids), HELD_MAX);
    assert_string_equal(json_object_get_string(json_object_array_get_idx(ids, 0)), OTHER);
    assert_string_equal(json_object_get_string(json_object_array_get_idx(ids, 1)),
                        "sess_000000000000000000000000000003e8");
    json_object_put(ids);
    remove_all(table);
}

static void test_room_is_shared(void **state)
{
    (void)state;
    static const uid_t users[] = {1000, 1001, 0};
    static const int most[] = {HELD_MAX / 2, HELD_MAX / 4, HELD_MAX / 4};
    struct held_table *table = reopen(NULL);
    char id[SESSION_ID_LENGTH + 1];

    for (unsigned user = 0; user < 3; user++) {
        for (int i = 0; i < most[user]; i++) {
            snprintf(id, sizeof id, "sess_%024x%08x", user, (unsigned)i);
            assert_true(held_room(table, users[user]));
            add_of(table, id, users[user]);
        }
        assert_false(held_room(table, users[user]));
    }
    remove_all(table);
}

static int set_up(void **state)
{
    (void)state;
    log_open("test_held", false, LEVEL_ERROR);
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_condemned_once),
        cmocka_unit_test(test_confirmed_is_not_listed),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_room_is_shared),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
