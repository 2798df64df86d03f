/* SPDX-License-Identifier: MIT */
/* Tests of agent/session: what a restart knows, which sessions must end, what a heartbeat lists. */
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

#include "agent/session.h"
#include "base/log.h"

#define ID "sess_0123456789abcdef0123456789abcdef"
#define OTHER "sess_ffffffffffffffffffffffffffffffff"

static char directory[] = "/tmp/test_session.XXXXXX";
static struct error e;

static struct session_table *reopen(struct session_table *table)
{
    session_table_close(table);
    assert_int_equal(session_table_open(".", &table, &e), ERR_OK);
    return table;
}

static struct session *add_of(struct session_table *table, const char *id, uid_t uid)
{
    static int64_t seq = 0;
    struct session new = {
        .uid = uid, .seq = ++seq, .tree = {.shell = {10, 100}, .leader = {11, 110}}};
    struct session *session = NULL;

    snprintf(new.id, sizeof new.id, "%s", id);
    assert_int_equal(session_add(table, &new, NULL, &session, &e), ERR_OK);
    assert_string_equal(session->id, id);
    return session;
}

static struct session *add(struct session_table *table, const char *id)
{
    return add_of(table, id, 1000);
}

static size_t listed(struct session_table *table)
{
    struct json_object *ids = session_ids(table);
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

    assert_true(session_id_valid(ID));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(session_id_valid(bad[i]));
}

static void test_restart(void **state)
{
    (void)state;
    struct session_table *table = reopen(NULL);

    add(table, ID);
    table = reopen(table);
    const struct session *session = session_find(table, ID);
    assert_non_null(session);
    assert_int_equal(session->uid, 1000);
    assert_int_equal(session->tree.shell.pid, 10);
    assert_int_equal(session->tree.shell.start, 100);
    assert_int_equal(session->tree.leader.pid, 11);
    assert_int_equal(session->tree.leader.start, 110);
    assert_int_equal(session->tree.uid, 1000);
    assert_false(session->tree.leader_seen);
    assert_int_equal(session->state, SESSION_RUNNING);
    session_remove(table, session_find(table, ID));
    table = reopen(table);
    assert_null(session_at(table, 0));
    session_table_close(table);
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
    struct session_table *table = reopen(NULL);
    assert_null(session_find(table, ID));
    assert_int_equal(session_find(table, OTHER)->tree.shell.pid, 0);
    session_table_close(table);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(names[i]);
}

static void test_end_is_requested_once(void **state)
{
    (void)state;
    struct session_table *table = reopen(NULL);
    struct session *session = add(table, ID);

    assert_null(session_reason(table, session));
    assert_true(session_can_request_end(table, ID));
    assert_false(session_can_request_end(table, OTHER));
    session_request_end(table, OTHER, "who?");
    session_request_end(table, ID, "ended by alice");
    session_request_end(table, ID, "ended by bob");
    assert_string_equal(session_reason(table, session), "ended by alice");
    assert_false(session_can_request_end(table, ID));
    session_remove(table, session);
    session_table_close(table);
}

static void test_confirmed_is_not_listed(void **state)
{
    (void)state;
    struct session_table *table = reopen(NULL);
    struct session *session = add(table, ID), *other = add(table, OTHER);

    assert_int_equal(listed(table), 2);
    session_confirm(table, ID);
    assert_true(session_confirmed(table, session));
    assert_false(session_confirmed(table, other));
    assert_int_equal(listed(table), 1);
    session_remove(table, session);
    assert_ptr_equal(session_at(table, 0), other);
    session_remove(table, other);
    session_table_close(table);
}

static void remove_all(struct session_table *table)
{
    struct session *session;

    while ((session = session_at(table, 0)))
        session_remove(table, session);
    session_table_close(table);
}

/* Ended sessions take no room. A heartbeat lists the oldest sessions, also after a restart. */
static void test_many(void **state)
{
    (void)state;
    struct session_table *table = reopen(NULL);
    char id[SESSION_ID_LENGTH + 1];

    add(table, OTHER);
    for (int i = 0; i < PROTOCOL_SESSIONS_MAX; i++) {
        snprintf(id, sizeof id, "sess_%032x", PROTOCOL_SESSIONS_MAX - i);
        assert_true(session_room(table, 1000));
        add(table, id)->state = SESSION_ENDED;
    }
    add(table, ID);
    table = reopen(table);
    struct json_object *ids = session_ids(table);
    assert_int_equal(json_object_array_length(ids), PROTOCOL_SESSIONS_MAX);
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
    static const int most[] = {PROTOCOL_SESSIONS_MAX / 2, PROTOCOL_SESSIONS_MAX / 4,
                               PROTOCOL_SESSIONS_MAX / 4};
    struct session_table *table = reopen(NULL);
    char id[SESSION_ID_LENGTH + 1];

    for (unsigned user = 0; user < 3; user++) {
        for (int i = 0; i < most[user]; i++) {
            snprintf(id, sizeof id, "sess_%024x%08x", user, (unsigned)i);
            assert_true(session_room(table, users[user]));
            add_of(table, id, users[user]);
        }
        assert_false(session_room(table, users[user]));
    }
    remove_all(table);
}

static int set_up(void **state)
{
    (void)state;
    log_open("test_session", false, LEVEL_ERROR);
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
        cmocka_unit_test(test_end_is_requested_once),
        cmocka_unit_test(test_confirmed_is_not_listed),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_room_is_shared),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
