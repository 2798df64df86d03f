/* SPDX-License-Identifier: MIT */
/* The waitlist: which waiters are handed out, when, and by which call. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "api/waitlist.h"
#include "base/clock.h"

enum { LONG_MS = WAITLIST_MAX_MS - 1000 };

/* Start of the test's clock. waitlist_expire takes the time as an argument; parking needs a time in
 * the future. */
static int64_t start;

static int set_start(void **state)
{
    (void)state;
    start = clock_ms();
    return 0;
}

/* Parks with an owner of its own. */
static bool park(struct waitlist *waitlist, struct waiter *waiter, const char *key, int64_t ms)
{
    char owner[32];

    snprintf(owner, sizeof owner, "%p", (void *)waiter);
    return waitlist_park(waitlist, waiter, key, owner, start + ms);
}

static bool park_of(struct waitlist *waitlist, struct waiter *waiter, const char *owner)
{
    return waitlist_park(waitlist, waiter, "x", owner, start + LONG_MS);
}

static int count(const struct waiters *waiters)
{
    struct waiter *waiter = NULL;
    int n = 0;

    TAILQ_FOREACH (waiter, waiters, next)
        n++;
    return n;
}

static int woken(struct waitlist *waitlist, const char *key)
{
    struct waiters out;

    waitlist_wake(waitlist, key, &out);
    return count(&out);
}

static int expired(struct waitlist *waitlist, int64_t ms)
{
    struct waiters out;

    waitlist_expire(waitlist, start + ms, &out);
    return count(&out);
}

static int closed(struct waitlist *waitlist)
{
    struct waiters out;

    waitlist_close(waitlist, &out);
    return count(&out);
}

static void waking_hands_out_one_key(void **state)
{
    struct waitlist *waitlist = waitlist_new(10);
    struct waiter a = {0}, b = {0}, other = {0};
    struct waiters out;

    (void)state;
    assert_int_equal(waitlist_count(waitlist), 0);
    assert_true(park(waitlist, &a, "x", LONG_MS));
    assert_true(park(waitlist, &other, "y", LONG_MS));
    assert_true(park(waitlist, &b, "x", LONG_MS));
    waitlist_wake(waitlist, "x", &out);
    assert_ptr_equal(TAILQ_FIRST(&out), &a); /* in order of arrival */
    assert_ptr_equal(TAILQ_NEXT(&a, next), &b);
    assert_int_equal(count(&out), 2);
    assert_int_equal(woken(waitlist, "x"), 0);
    assert_int_equal(woken(waitlist, "z"), 0);
    assert_int_not_equal(waitlist_count(waitlist), 0);
    assert_int_equal(woken(waitlist, "y"), 1);
    assert_int_equal(waitlist_count(waitlist), 0);
    waitlist_free(waitlist);
}

static void gone_clients_are_removed(void **state)
{
    struct waitlist *waitlist = waitlist_new(10);
    struct waiter gone = {0}, stays = {0}, elsewhere = {0};

    (void)state;
    assert_true(park(waitlist, &gone, "x", LONG_MS));
    assert_true(park(waitlist, &stays, "x", LONG_MS));
    assert_true(waitlist_abandon(waitlist, &gone));
    assert_false(waitlist_abandon(waitlist, &gone));
    assert_int_equal(woken(waitlist, "x"), 1);
    assert_false(
        waitlist_abandon(waitlist, &elsewhere)); /* between queues: it can no longer be parked */
    assert_false(park(waitlist, &elsewhere, "x", LONG_MS));
    assert_int_equal(waitlist_count(waitlist), 0);
    waitlist_free(waitlist);
}

static void a_waiter_can_wait_again(void **state)
{
    struct waitlist *waitlist = waitlist_new(1);
    struct waiter waiter = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_true(park(waitlist, &waiter, "x", LONG_MS));
        assert_int_equal(woken(waitlist, "x"), 1);
    }
    waitlist_free(waitlist);
}

static void waiters_expire_in_order_and_not_early(void **state)
{
    struct waitlist *waitlist = waitlist_new(10);
    struct waiter soon = {0}, later = {0}, last = {0};

    (void)state;
    park(waitlist, &last, "x", 50000);
    park(waitlist, &soon, "x", 1000);
    park(waitlist, &later, "y", 3000);
    assert_int_equal(expired(waitlist, 999), 0);
    assert_int_equal(expired(waitlist, 1500), 1);
    assert_int_equal(expired(waitlist, 1500), 0);
    assert_int_equal(expired(waitlist, 2999), 0);
    assert_int_equal(expired(waitlist, 3500), 1);
    assert_int_equal(woken(waitlist, "y"), 0);
    assert_int_equal(expired(waitlist, 49999), 0);
    assert_int_equal(expired(waitlist, 50500), 1);
    waitlist_free(waitlist);
}

static void a_late_tick_hands_out_all(void **state)
{
    enum { WAITERS = 59 };
    struct waitlist *waitlist = waitlist_new(WAITERS);
    struct waiter waiters[WAITERS] = {0};

    (void)state;
    for (int i = 0; i < WAITERS; i++)
        assert_true(park(waitlist, &waiters[i], i % 2 ? "x" : "y", (i + 1) * 1000));
    assert_int_equal(expired(waitlist, 10 * (int64_t)WAITLIST_MAX_MS), WAITERS);
    assert_int_equal(waitlist_count(waitlist), 0);
    waitlist_free(waitlist);
}

/* Five minutes of ticks with a waiter each: the wheel turns, and its buckets are reused. */
static void the_wheel_turns_around(void **state)
{
    enum { TICK = 100, TICKS = 5 * WAITLIST_MAX_MS / TICK, AHEAD = 599 };
    struct waitlist *waitlist = waitlist_new(AHEAD + 10);
    struct waiter *waiters = calloc(TICKS, sizeof *waiters);
    int64_t handed_out = 0;

    (void)state;
    for (int64_t i = 0; i < TICKS; i++) {
        struct waiter *waiter = NULL;
        struct waiters out;
        assert_true(park(waitlist, &waiters[i], "x", (i + AHEAD) * TICK));
        waitlist_expire(waitlist, start + i * TICK, &out);
        TAILQ_FOREACH (waiter, &out, next) {
            assert_true(waiter->deadline <= start + i * TICK);
            assert_true(waiter->deadline > start + (i - 5) * TICK);
            handed_out++;
        }
    }
    assert_in_range(handed_out, TICKS - AHEAD - 5, TICKS - AHEAD);
    assert_int_equal(woken(waitlist, "x"), TICKS - handed_out);
    waitlist_free(waitlist);
    free(waiters);
}

static void woken_waiters_do_not_expire(void **state)
{
    struct waitlist *waitlist = waitlist_new(10);
    struct waiter waiter = {0}, other = {0};

    (void)state;
    park(waitlist, &waiter, "x", 1000);
    park(waitlist, &other, "y", 1000);
    assert_int_equal(woken(waitlist, "x"), 1);
    assert_int_equal(expired(waitlist, 5000), 1);
    waitlist_free(waitlist);
}

static void no_room_no_time_no_place(void **state)
{
    struct waitlist *waitlist = waitlist_new(2);
    struct waiter a = {0}, b = {0}, c = {0};

    (void)state;
    assert_false(waitlist_park(waitlist, &a, "x", "a", clock_ms()));
    assert_false(waitlist_park(waitlist, &a, "x", "a", 0));
    assert_true(park(waitlist, &a, "x", LONG_MS));
    assert_true(park(waitlist, &b, "x", LONG_MS));
    assert_false(park(waitlist, &c, "y", LONG_MS));
    assert_int_equal(woken(waitlist, "x"), 2);
    assert_true(park(waitlist, &c, "y", LONG_MS));
    assert_int_equal(closed(waitlist), 1);
    waitlist_free(waitlist);
}

static void closing_is_for_good(void **state)
{
    struct waitlist *waitlist = waitlist_new(10);
    struct waiter a = {0}, b = {0};

    (void)state;
    park(waitlist, &a, "x", 1000);
    park(waitlist, &b, "y", LONG_MS);
    assert_int_equal(closed(waitlist), 2);
    assert_false(park(waitlist, &a, "x", LONG_MS));
    assert_int_equal(closed(waitlist), 0);
    waitlist_free(waitlist);
}

static void keys_that_have_waiters(void **state)
{
    struct waitlist *waitlist = waitlist_new(10);
    struct waiter waiters[4] = {0};
    char **keys = NULL;
    size_t n = 0;

    (void)state;
    waitlist_keys(waitlist, &keys, &n);
    assert_int_equal(n, 0);
    free(keys);
    for (int i = 0; i < 4; i++)
        park(waitlist, &waiters[i], i % 2 ? "odd" : "even", LONG_MS);
    waitlist_keys(waitlist, &keys, &n);
    assert_int_equal(n, 2);
    assert_string_equal(keys[0], "even");
    assert_string_equal(keys[1], "odd");
    free(keys[0]);
    free(keys[1]);
    free(keys);
    assert_int_equal(closed(waitlist), 4);
    waitlist_free(waitlist);
}

static void an_owner_takes_half_of_what_others_leave(void **state)
{
    enum { PLACES = 8 };
    struct waitlist *waitlist = waitlist_new(PLACES);
    struct waiter of_a[PLACES] = {0}, of_b[PLACES] = {0}, of_c = {0};
    struct waiters out;

    (void)state;
    for (int i = 0; i < PLACES; i++)
        assert_int_equal(park_of(waitlist, &of_a[i], "a"), i < 4);
    for (int i = 0; i < PLACES; i++)
        assert_int_equal(park_of(waitlist, &of_b[i], "b"), i < 2);
    assert_true(park_of(waitlist, &of_c, "c"));
    assert_false(park_of(waitlist, &of_a[4], "a"));
    assert_int_equal(woken(waitlist, "x"), 7);
    waitlist_close(waitlist, &out);
    waitlist_free(waitlist);
}

static void places_come_back(void **state)
{
    struct waitlist *waitlist = waitlist_new(2);
    struct waiter a = {0}, b = {0};

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_true(park_of(waitlist, &a, "a"));
        assert_false(park_of(waitlist, &b, "a"));
        assert_int_equal(woken(waitlist, "x"), 1);
    }
    assert_true(park_of(waitlist, &b, "a"));
    assert_true(waitlist_abandon(waitlist, &b));
    assert_true(park_of(waitlist, &a, "a"));
    assert_int_equal(expired(waitlist, WAITLIST_MAX_MS + 1000), 1);
    waitlist_free(waitlist);
}

static bool park_newest(struct waitlist *waitlist, struct waiter *waiter, const char *key,
                        int64_t ms, const struct waiter *older)
{
    struct waiters out;
    bool parked = waitlist_park_newest(waitlist, waiter, key, start + ms, &out);

    assert_ptr_equal(TAILQ_FIRST(&out), older);
    assert_int_equal(count(&out), older ? 1 : 0);
    return parked;
}

static void only_the_newest_waits(void **state)
{
    struct waitlist *waitlist = waitlist_new(2);
    struct waiter other = {0}, a = {.since = 1}, b = {.since = 2}, c = {.since = 2};

    (void)state;
    assert_true(park_newest(waitlist, &other, "y", LONG_MS, NULL));
    assert_true(park_newest(waitlist, &a, "x", LONG_MS, NULL)); /* full: b takes a's place */
    assert_true(park_newest(waitlist, &b, "x", LONG_MS, &a));
    assert_false(
        park_newest(waitlist, &a, "x", LONG_MS, NULL)); /* a woken waiter is older than b */
    assert_true(park_newest(waitlist, &c, "x", LONG_MS, &b));
    assert_false(
        park_newest(waitlist, &b, "x", 0, NULL)); /* a poll that does not wait leaves c alone */
    assert_false(park_newest(waitlist, &b, "z", LONG_MS, NULL));
    assert_int_equal(woken(waitlist, "x"), 1);
    assert_int_equal(woken(waitlist, "y"), 1);
    assert_int_equal(closed(waitlist), 0);
    assert_false(park_newest(waitlist, &a, "x", LONG_MS, NULL));
    waitlist_free(waitlist);
}

/* --- threads: each parked waiter is handed out exactly once ----------------------------------- */

enum { PARKERS = 4, WAKERS = 2, PARKINGS = 300, KEYS = 3 };

struct parker {
    struct waiter waiter; /* first member: cast back */
    atomic_bool out;
};

static struct {
    struct waitlist *waitlist;
    atomic_int parked, handed_out;
    atomic_bool done;
} world;

static void hand_back(struct waiters *out)
{
    struct waiter *waiter = NULL;

    while ((waiter = TAILQ_FIRST(out))) {
        struct parker *parker = (struct parker *)waiter;
        TAILQ_REMOVE(out, waiter, next);
        atomic_fetch_add(&world.handed_out, 1);
        assert_false(atomic_exchange(&parker->out, true)); /* it may be parked again from here on */
    }
}

static void *park_again_and_again(void *unused)
{
    struct parker self = {0};
    char key[8];

    (void)unused;
    for (int i = 0; i < PARKINGS; i++) {
        snprintf(key, sizeof key, "k%d", i % KEYS);
        atomic_store(&self.out, false);
        assert_true(waitlist_park(world.waitlist, &self.waiter, key, key, /* shared by all */
                                  clock_ms() + LONG_MS - i % 7 * 1000));
        atomic_fetch_add(&world.parked, 1);
        while (!atomic_load(&self.out))
            sched_yield();
    }
    return NULL;
}

static void *wake_them(void *unused)
{
    struct waiters out;
    char key[8];

    (void)unused;
    for (int i = 0; !atomic_load(&world.done); i++) {
        snprintf(key, sizeof key, "k%d", i % KEYS);
        waitlist_wake(world.waitlist, key, &out);
        hand_back(&out);
        waitlist_count(world.waitlist);
    }
    return NULL;
}

static void *let_them_expire(void *unused)
{
    struct waiters out;

    (void)unused;
    while (!atomic_load(&world.done)) {
        waitlist_expire(world.waitlist, clock_ms(), &out);
        hand_back(&out);
    }
    return NULL;
}

static void each_wait_ends_once(void **state)
{
    pthread_t parkers[PARKERS], wakers[WAKERS], clock;

    (void)state;
    world.waitlist = waitlist_new(2 * PARKERS);
    pthread_create(&clock, NULL, let_them_expire, NULL);
    for (int i = 0; i < WAKERS; i++)
        pthread_create(&wakers[i], NULL, wake_them, NULL);
    for (int i = 0; i < PARKERS; i++)
        pthread_create(&parkers[i], NULL, park_again_and_again, NULL);
    for (int i = 0; i < PARKERS; i++)
        pthread_join(parkers[i], NULL);
    atomic_store(&world.done, true);
    for (int i = 0; i < WAKERS; i++)
        pthread_join(wakers[i], NULL);
    pthread_join(clock, NULL);
    assert_int_equal(world.parked, PARKERS * PARKINGS);
    assert_int_equal(world.handed_out, PARKERS * PARKINGS);
    assert_int_equal(waitlist_count(world.waitlist), 0);
    waitlist_free(world.waitlist);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(waking_hands_out_one_key, set_start),
        cmocka_unit_test_setup(gone_clients_are_removed, set_start),
        cmocka_unit_test_setup(a_waiter_can_wait_again, set_start),
        cmocka_unit_test_setup(waiters_expire_in_order_and_not_early, set_start),
        cmocka_unit_test_setup(a_late_tick_hands_out_all, set_start),
        cmocka_unit_test_setup(the_wheel_turns_around, set_start),
        cmocka_unit_test_setup(woken_waiters_do_not_expire, set_start),
        cmocka_unit_test_setup(no_room_no_time_no_place, set_start),
        cmocka_unit_test_setup(closing_is_for_good, set_start),
        cmocka_unit_test_setup(keys_that_have_waiters, set_start),
        cmocka_unit_test_setup(an_owner_takes_half_of_what_others_leave, set_start),
        cmocka_unit_test_setup(places_come_back, set_start),
        cmocka_unit_test_setup(only_the_newest_waits, set_start),
        cmocka_unit_test_setup(each_wait_ends_once, set_start),
    };

    return cmocka_run_group_tests_name("waitlist", tests, NULL, NULL);
}
