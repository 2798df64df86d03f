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

static struct held *add(struct held_table *table, const char *id)
{
    const struct proctree tree = {.shell = {10, 100}, .leader = {11, 110}};
    struct held *held = NULL;

    assert_int_equal(held_add(table, id, 1000, &tree, &held, &e), ERR_OK);
    assert_string_equal(held->id, id);
    return held;
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

static void test_full(void **state)
{
    (void)state;
    struct held_table *table = reopen(NULL);
    const struct proctree tree = {0};
    struct held *held;
    char id[SESSION_ID_LENGTH + 1];

    for (int i = 0; i < HELD_MAX; i++) {
        snprintf(id, sizeof id, "sess_%032x", i);
        add(table, id);
    }
    assert_int_equal(held_add(table, ID, 1, &tree, &held, &e), ERR_BUSY);
    while ((held = held_at(table, 0)))
        held_remove(table, held);
    held_close(table);
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
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
