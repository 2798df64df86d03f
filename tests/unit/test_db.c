/* SPDX-License-Identifier: MIT */
/* store/db: which error a database error number becomes, and the words for on and off. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/db_mysql.h"

static const struct {
    enum err err;
    int status;
    unsigned numbers[32];
} meanings[] = {
    /* try another server or a new connection */
    {ERR_DB_AWAY, 503, {1040, 1047, 1053, 1152, 1180, 1184, 1203, 1243, 1290, 1615, 1792, 1836,
                        1874, 1927, 2000, 2002, 2003, 2006, 2013, 2055, 2999, 3032, 3168, 4031}},
    /* try later, on the same connection */
    {ERR_DB_BUSY,
     503,
     {1021, 1037, 1038, 1041, 1114, 1135, 1206, 1226, 1317, 1461, 1637, 1665, 1969, 3024, 3989}},
    /* repeat the transaction */
    {ERR_DB_CONFLICT, 503, {1020, 1205, 1213, 1412, 1689, 3101}},
    {ERR_DB_SCHEMA, 503, {1054, 1146}},
    /* the request's data can never be stored */
    {ERR_DB_DATA,
     400,
     {1048, 1264, 1265, 1292, 1300, 1366, 1406, 1452, 1526, 1644, 1690, 3819, 3988, 4025}},
    /* a bug, or a missing right */
    {ERR_DB, 500, {1044, 1062, 1064, 1104, 1142, 1143, 1193, 1267, 1364, 1419, 3000}},
};

static void numbers_have_a_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        for (const unsigned *number = meanings[i].numbers; *number; number++) {
            struct error e = {0};
            assert_int_equal(db_error(*number, "why", &e), meanings[i].err);
            assert_int_equal(e.db_number, *number);
            assert_int_equal(error_info(e.code)->status, meanings[i].status);
            assert_int_equal(db_error(*number, "why", NULL), meanings[i].err);
        }
    }
}

static void the_message_is_for_the_log(void **state)
{
    struct error e = {0};

    (void)state;
    db_error(1205, "Lock wait timeout exceeded", &e);
    assert_string_equal(e.detail, "database error 1205: Lock wait timeout exceeded");
    assert_null(e.public_message);
}

static void flags_are_numbers_or_words(void **state)
{
    static const struct {
        const char *text;
        bool on;
    } rows[] = {
        {"0", false}, {"OFF", false}, {"off", false}, {NULL, false},     {"1", true},
        {"ON", true}, {"on", true},   {"2", true},    {"NO_LOCK", true}, {"NO_LOCK_NO_ADMIN", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(db_flag(rows[i].text), rows[i].on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_a_meaning),
        cmocka_unit_test(the_message_is_for_the_log),
        cmocka_unit_test(flags_are_numbers_or_words),
    };

    return cmocka_run_group_tests_name("db", tests, NULL, NULL);
}
