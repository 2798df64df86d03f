/* SPDX-License-Identifier: MIT */
/* Statements over many rows: their text. */
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

static char *texts[8]; /* of the statements that were run */
static size_t text_count;

enum err __wrap_db_text(struct db *db, const char *sql, row_fn *row, void *context,
                        struct error *e);

enum err __wrap_db_text(struct db *db, const char *sql, row_fn *row, void *context, struct error *e)
{
    (void)db, (void)row, (void)context, (void)e;
    assert_true(text_count < sizeof texts / sizeof *texts);
    texts[text_count++] = xstrdup(sql);
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
    assert_int_equal(db_bulk(&db, statement, params, rows, NULL, NULL, &e), ERR_OK);
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

    for (size_t i = 0; i < count; i++) { /* in another order than the statement's */
        rows_uint(&rows, PARAM_SEQ, UINT64_MAX);
        rows_uint(&rows, PARAM_CPU, 10000 + i);
        rows_uint(&rows, PARAM_MEMORY, 20000 + i);
        rows_uint(&rows, PARAM_DISK, 30000 + i);
        rows_uint(&rows, PARAM_DROPPED, 0);
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
                                     "20000, 30000, 'i', LEAST(18446744073709551615, "));
    assert_non_null(strstr(texts[0], ")), ('m', UTC_TIMESTAMP(3), 0, "
                                     "10001, 20001, 30001, 'i', "));
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
    run(STATEMENT_HEARTBEATS, 1, NULL, &rows); /* one row at least */
    assert_int_equal(text_count, 6);
    rows_free(&rows);
}

static void rows_take_no_more_than_their_values(void **state)
{
    struct rows rows = heartbeats(500);

    (void)state;
    assert_int_equal(rows.width, 7);
    assert_int_equal(rows.count, 500 * 7);
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
        cmocka_unit_test(values_within_and_outside),
        cmocka_unit_test(values_go_where_they_are_named),
        cmocka_unit_test(long_statements_are_divided),
        cmocka_unit_test(rows_take_no_more_than_their_values),
    };

    return cmocka_run_group_tests_name("bulk", tests, NULL, clear);
}
