/* SPDX-License-Identifier: MIT */
/* store/db_bulk: the text of statements over many rows. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/xalloc.h"
#include "store/db_mysql.h"

enum { PACKET = 1 << 20 };

static char *texts[8]; /* the statements that were run */
static size_t text_count;
static size_t fails_at; /* number of the statement that the server refuses; 0: none */

enum err __wrap_db_fetch_text(struct db *db, const char *sql, struct error *e);

enum err __wrap_db_fetch_text(struct db *db, const char *sql, struct error *e)
{
    const struct cell cell = {"row", 3};

    assert_true(text_count < sizeof texts / sizeof *texts);
    texts[text_count++] = xstrdup(sql);
    if (text_count == fails_at)
        return error_set(e, ERR_DB_CONFLICT, "deadlock");
    db_keep_row(db, &cell, 1);
    return ERR_OK;
}

static void forget(void)
{
    for (size_t i = 0; i < text_count; i++)
        free(texts[i]);
    text_count = 0;
}

static void run(int statement, int64_t packet, const struct params *params, const struct rows *rows)
{
    struct db db = {.mysql = mysql_init(NULL), .packet = packet};
    struct error e;

    forget();
    assert_int_equal(db_bulk(&db, statement, params, rows, &e), ERR_OK);
    for (size_t i = 0; i < text_count; i++) /* each returns a row */
        assert_string_equal(db_row(&db)[0].text, "row");
    assert_null(db_row(&db));
    db_forget_rows(&db);
    mysql_close(db.mysql);
}

/* After an error there are no rows of the earlier pieces either. */
static void no_rows_of_a_statement_that_failed(void **state)
{
    struct db db = {.mysql = mysql_init(NULL), .packet = PACKET};
    struct rows rows = {0};
    struct error e;

    (void)state;
    for (uint64_t i = 0; i < 600; i++)
        rows_uint(&rows, PARAM_ID, i);
    forget();
    db_keep_row(&db, &(struct cell){"of an earlier statement", 23}, 1);
    fails_at = 2;
    assert_int_equal(db_bulk(&db, STATEMENT_COMMANDS, NULL, &rows, &e), ERR_DB_CONFLICT);
    fails_at = 0;
    assert_int_equal(text_count, 2);
    assert_null(db_row(&db));
    db_keep_row(&db, &(struct cell){"of an earlier statement", 23}, 1);
    assert_int_equal(db_bulk(&db, STATEMENT_COMMANDS, NULL, &(struct rows){0}, &e), ERR_OK);
    assert_null(db_row(&db));
    rows_free(&rows);
    mysql_close(db.mysql);
}

static void no_rows_no_statement(void **state)
{
    (void)state;
    run(STATEMENT_HEARTBEATS, PACKET, NULL, &(struct rows){0});
    assert_int_equal(text_count, 0);
}

static void values_within_and_outside(void **state)
{
    struct params params = {0};
    struct rows rows = {0};

    (void)state;
    params_text(&params, PARAM_OUTCOME, "it's");
    rows_text(&rows, PARAM_SESSION, "a':session{}\\");
    rows_text(&rows, PARAM_SESSION, NULL);
    rows_text(&rows, PARAM_SESSION, "");
    run(STATEMENT_GIVE_UP_SIGNALS, PACKET, &params, &rows);
    rows_free(&rows);
    assert_int_equal(text_count, 1);
    assert_string_equal(
        texts[0], "UPDATE signals SET outcome = 'it\\'s', due_at = NULL WHERE outcome IS NULL "
                  "AND session_id IN ('a\\':session{}\\\\', NULL, '')");
}

static struct rows heartbeats(size_t count)
{
    struct rows rows = {0};

    for (size_t i = 0; i < count; i++) { /* not in the statement's order */
        rows_uint(&rows, PARAM_SEQ, UINT64_MAX);
        rows_uint(&rows, PARAM_CPU, 10000 + i);
        rows_uint(&rows, PARAM_MEMORY, 20000 + i);
        rows_uint(&rows, PARAM_DISK, 30000 + i);
        rows_uint(&rows, PARAM_DROPPED, 0);
        rows_text(&rows, PARAM_USAGE_NOW, "u");
        rows_text(&rows, PARAM_INSTANCE, "i");
        rows_text(&rows, PARAM_AGENT, "m");
    }
    return rows;
}

static void values_go_where_they_are_named(void **state)
{
    struct rows rows = heartbeats(2), second = rows_at(&rows, 1);

    (void)state;
    run(STATEMENT_HEARTBEATS, PACKET, NULL, &rows);
    assert_non_null(strstr(texts[0], "('m', UTC_TIMESTAMP(3), 0, 10000, "
                                     "20000, 30000, 'u', 'i', LEAST(18446744073709551615, "));
    assert_non_null(strstr(texts[0], ")), ('m', UTC_TIMESTAMP(3), 0, "
                                     "10001, 20001, 30001, 'u', 'i', "));
    run(STATEMENT_HEARTBEATS, PACKET, NULL, &second);
    assert_null(strstr(texts[0], "10000"));
    assert_non_null(strstr(texts[0], "10001"));
    rows_free(&rows);
}

static size_t occurrences(const char *text, const char *what)
{
    size_t count = 0;

    while ((text = strstr(text, what))) {
        text++;
        count++;
    }
    return count;
}

static void long_statements_are_divided(void **state)
{
    struct rows rows = heartbeats(1001);

    (void)state;
    run(STATEMENT_HEARTBEATS, PACKET, NULL, &rows);
    assert_int_equal(text_count, 3);
    for (size_t i = 0; i < text_count; i++)
        assert_int_equal(occurrences(texts[i], "('m'"), i < 2 ? 500 : 1);
    rows_free(&rows);

    rows = heartbeats(6);
    run(STATEMENT_HEARTBEATS, 1, NULL, &rows); /* at least one row */
    assert_int_equal(text_count, 6);
    rows_free(&rows);
}

static void rows_take_no_more_than_their_values(void **state)
{
    struct rows rows = heartbeats(500);

    (void)state;
    assert_int_equal(rows.width, 8);
    assert_int_equal(rows.count, 500 * 8);
    assert_true(rows.capacity * sizeof *rows.values <= 128 * 1024);
    rows_free(&rows);
}

static int clear(void **state)
{
    (void)state;
    forget();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rows_no_statement),
        cmocka_unit_test(no_rows_of_a_statement_that_failed),
        cmocka_unit_test(values_within_and_outside),
        cmocka_unit_test(values_go_where_they_are_named),
        cmocka_unit_test(long_statements_are_divided),
        cmocka_unit_test(rows_take_no_more_than_their_values),
    };

    return cmocka_run_group_tests_name("bulk", tests, NULL, clear);
}
