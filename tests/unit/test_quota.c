/* SPDX-License-Identifier: MIT */
/* Tests of agent/quota, new sessions: a burst, then one per period, separately for each user; root
 * is free. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/quota.h"

enum { ALICE = 1000, BOB = 1001, START = 5000000 };

/* Returns how many tokens `uid` gets at the time `now`. */
static int take_all(struct quota_rates *rates, uid_t uid, int64_t now)
{
    int count = 0;

    while (count <= QUOTA_BURST && quota_take(rates, uid, now))
        count++;
    return count;
}

static void a_burst_then_one_a_period(void **state)
{
    struct quota_rates rates = {0};

    (void)state;
    assert_int_equal(take_all(&rates, ALICE, START), QUOTA_BURST);
    assert_false(quota_take(&rates, ALICE, START + QUOTA_PERIOD - 1));
    assert_true(quota_take(&rates, ALICE, START + QUOTA_PERIOD));
    assert_false(quota_take(&rates, ALICE, START + QUOTA_PERIOD));
    assert_int_equal(take_all(&rates, ALICE, START + 4 * QUOTA_PERIOD), 3);
    quota_rates_free(&rates);
}

static void never_more_than_a_burst(void **state)
{
    struct quota_rates rates = {0};

    (void)state;
    take_all(&rates, ALICE, START);
    assert_int_equal(take_all(&rates, ALICE, START + (int64_t)QUOTA_BURST * QUOTA_PERIOD * 9),
                     QUOTA_BURST);
    quota_rates_free(&rates);
}

/* A refusal must not delay the next token. */
static void refusals_do_not_count(void **state)
{
    struct quota_rates rates = {0};

    (void)state;
    take_all(&rates, ALICE, START);
    for (int i = 0; i < 1000; i++)
        assert_false(quota_take(&rates, ALICE, START + 1));
    assert_true(quota_take(&rates, ALICE, START + QUOTA_PERIOD));
    quota_rates_free(&rates);
}

static void users_are_apart(void **state)
{
    struct quota_rates rates = {0};

    (void)state;
    assert_int_equal(take_all(&rates, ALICE, START), QUOTA_BURST);
    assert_int_equal(take_all(&rates, BOB, START), QUOTA_BURST);
    assert_false(quota_take(&rates, ALICE, START));
    quota_rates_free(&rates);
}

static void root_always_may(void **state)
{
    struct quota_rates rates = {0};

    (void)state;
    assert_int_equal(take_all(&rates, 0, START), QUOTA_BURST + 1);
    assert_int_equal(rates.count, 0);
    quota_rates_free(&rates);
}

static void full_buckets_are_forgotten(void **state)
{
    struct quota_rates rates = {0};

    (void)state;
    for (uid_t uid = 1; uid <= 1000; uid++)
        assert_true(quota_take(&rates, uid, START));
    assert_int_equal(rates.count, 1000);
    assert_true(quota_take(&rates, ALICE, START + QUOTA_PERIOD));
    assert_int_equal(rates.count, 1);
    quota_rates_free(&rates);
    assert_null(rates.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_then_one_a_period), cmocka_unit_test(never_more_than_a_burst),
        cmocka_unit_test(refusals_do_not_count),     cmocka_unit_test(users_are_apart),
        cmocka_unit_test(root_always_may),           cmocka_unit_test(full_buckets_are_forgotten),
    };

    return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
