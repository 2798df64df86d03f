/* SPDX-License-Identifier: MIT */
/* Tests of agent/rates: a burst, then one per period, separately for each user; root is free. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/rates.h"

enum { ALICE = 1000, BOB = 1001, START = 5000000 };

/* Returns how many tokens `uid` gets at the time `now`. */
static int take_all(struct rates *rates, uid_t uid, int64_t now)
{
    int count = 0;

    while (count <= RATES_BURST && rates_take(rates, uid, now))
        count++;
    return count;
}

static void a_burst_then_one_a_period(void **state)
{
    struct rates rates = {0};

    (void)state;
    assert_int_equal(take_all(&rates, ALICE, START), RATES_BURST);
    assert_false(rates_take(&rates, ALICE, START + RATES_PERIOD - 1));
    assert_true(rates_take(&rates, ALICE, START + RATES_PERIOD));
    assert_false(rates_take(&rates, ALICE, START + RATES_PERIOD));
    assert_int_equal(take_all(&rates, ALICE, START + 4 * RATES_PERIOD), 3);
    rates_free(&rates);
}

static void never_more_than_a_burst(void **state)
{
    struct rates rates = {0};

    (void)state;
    take_all(&rates, ALICE, START);
    assert_int_equal(take_all(&rates, ALICE, START + (int64_t)RATES_BURST * RATES_PERIOD * 9),
                     RATES_BURST);
    rates_free(&rates);
}

/* A refusal must not delay the next token. */
static void refusals_do_not_count(void **state)
{
    struct rates rates = {0};

    (void)state;
    take_all(&rates, ALICE, START);
    for (int i = 0; i < 1000; i++)
        assert_false(rates_take(&rates, ALICE, START + 1));
    assert_true(rates_take(&rates, ALICE, START + RATES_PERIOD));
    rates_free(&rates);
}

static void users_are_apart(void **state)
{
    struct rates rates = {0};

    (void)state;
    assert_int_equal(take_all(&rates, ALICE, START), RATES_BURST);
    assert_int_equal(take_all(&rates, BOB, START), RATES_BURST);
    assert_false(rates_take(&rates, ALICE, START));
    rates_free(&rates);
}

static void root_always_may(void **state)
{
    struct rates rates = {0};

    (void)state;
    assert_int_equal(take_all(&rates, 0, START), RATES_BURST + 1);
    assert_int_equal(rates.count, 0);
    rates_free(&rates);
}

static void full_buckets_are_forgotten(void **state)
{
    struct rates rates = {0};

    (void)state;
    for (uid_t uid = 1; uid <= 1000; uid++)
        assert_true(rates_take(&rates, uid, START));
    assert_int_equal(rates.count, 1000);
    assert_true(rates_take(&rates, ALICE, START + RATES_PERIOD));
    assert_int_equal(rates.count, 1);
    rates_free(&rates);
    assert_null(rates.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_then_one_a_period), cmocka_unit_test(never_more_than_a_burst),
        cmocka_unit_test(refusals_do_not_count),     cmocka_unit_test(users_are_apart),
        cmocka_unit_test(root_always_may),           cmocka_unit_test(full_buckets_are_forgotten),
    };

    return cmocka_run_group_tests_name("rates", tests, NULL, NULL);
}
