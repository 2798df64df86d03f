/* SPDX-License-Identifier: MIT */
/* The coalescer. The tests play the database workers, so they control every step. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "api/coalescer.h"
#include "base/xalloc.h"

static struct coalescer *new_coalescer(unsigned capacity)
{
    struct coalescer *coalescer = coalescer_new(capacity);

    coalescer_db_worker_up(coalescer);
    return coalescer;
}

static void end_coalescer(struct coalescer *coalescer)
{
    coalescer_stop(coalescer);
    assert_null(coalescer_take(coalescer, false));
    coalescer_free(coalescer);
}

static enum err park(struct coalescer *coalescer, struct waiter *waiter, const char *key)
{
    waiter->call = (void *)(uintptr_t)key;
    return coalescer_park(coalescer, waiter, key);
}

static int count(const struct waiters *waiters)
{
    struct waiter *waiter = NULL;
    int n = 0;

    TAILQ_FOREACH (waiter, waiters, next)
        n++;
    return n;
}

static const char *call_of(const struct batch *batch)
{
    return TAILQ_FIRST(&batch->waiters)->call;
}

static void end_batch(struct coalescer *coalescer, struct batch *batch)
{
    coalescer_loaded(coalescer, batch);
    batch_free(batch);
}

static void equal_calls_share_a_batch(void **state)
{
    struct coalescer *coalescer = new_coalescer(10);
    struct waiter a = {0}, b = {0}, c = {0};

    (void)state;
    assert_int_equal(park(coalescer, &a, "stats"), ERR_OK);
    assert_int_equal(park(coalescer, &b, "sessions"), ERR_OK);
    assert_int_equal(park(coalescer, &c, "stats"), ERR_OK);

    struct batch *stats = coalescer_take(coalescer, false);
    assert_string_equal(call_of(stats), "stats");
    assert_int_equal(count(&stats->waiters), 2);
    assert_ptr_equal(TAILQ_FIRST(&stats->waiters), &a);
    struct batch *sessions = coalescer_take(coalescer, false);
    assert_string_equal(call_of(sessions), "sessions");
    assert_int_equal(count(&sessions->waiters), 1);
    end_batch(coalescer, stats);
    end_batch(coalescer, sessions);
    end_coalescer(coalescer);
}

static void a_batch_under_way_takes_no_more(void **state)
{
    struct coalescer *coalescer = new_coalescer(10);
    struct waiter early = {0}, late = {0}, other = {0};

    (void)state;
    park(coalescer, &early, "stats");
    struct batch *first = coalescer_take(coalescer, false);
    park(coalescer, &late, "stats");
    park(coalescer, &other, "sessions");
    assert_int_equal(count(&first->waiters), 1);

    /* The next batch of a key starts when the query of the first one is done, not before. */
    struct batch *meanwhile = coalescer_take(coalescer, false);
    assert_string_equal(call_of(meanwhile), "sessions");
    end_batch(coalescer, meanwhile);
    coalescer_loaded(coalescer, first);
    struct batch *second = coalescer_take(coalescer, false);
    assert_ptr_equal(TAILQ_FIRST(&second->waiters), &late);
    assert_ptr_equal(TAILQ_FIRST(&first->waiters), &early);
    batch_free(first);
    end_batch(coalescer, second);
    end_coalescer(coalescer);
}

static void no_delay_when_all_are_there(void **state)
{
    struct coalescer *coalescer = new_coalescer(10);
    struct waiter early = {0}, late = {0}, again = {0}, other = {0};

    (void)state;
    park(coalescer, &early, "stats");
    struct batch *first = coalescer_take(coalescer, false);
    park(coalescer, &late, "stats");
    end_batch(coalescer, first);
    park(coalescer, &again, "stats"); /* as the answered client would */
    park(coalescer, &other, "sessions");
    struct batch *second = coalescer_take(coalescer, false),
                 *third = coalescer_take(coalescer, false);
    assert_int_equal(count(&second->waiters), 2);
    assert_ptr_equal(TAILQ_FIRST(&third->waiters), &other);
    end_batch(coalescer, second);
    end_batch(coalescer, third);
    end_coalescer(coalescer);
}

static void a_reader_leaves_writes_to_others(void **state)
{
    struct coalescer *coalescer = new_coalescer(10);
    struct waiter write = {.writes = true}, other = {.writes = true}, read = {0};

    (void)state;
    park(coalescer, &write, NULL);
    park(coalescer, &other, NULL);
    park(coalescer, &read, "stats");
    struct batch *first = coalescer_take(coalescer, true),
                 *second = coalescer_take(coalescer, false);
    assert_ptr_equal(TAILQ_FIRST(&first->waiters), &read);
    assert_ptr_equal(TAILQ_FIRST(&second->waiters), &write);
    end_batch(coalescer, first);
    end_batch(coalescer, second);

    /* The other workers take the oldest, read or write. */
    park(coalescer, &read, "stats");
    struct batch *third = coalescer_take(coalescer, false);
    assert_ptr_equal(TAILQ_FIRST(&third->waiters), &other);
    end_batch(coalescer, third);
    end_batch(coalescer, coalescer_take(coalescer, false));
    end_coalescer(coalescer);
}

/* Although reads and writes are in separate queues. */
static void the_oldest_call_goes_first(void **state)
{
    struct coalescer *coalescer = new_coalescer(10);
    struct waiter waiters[] = {{0}, {.writes = true}, {.writes = true}, {0}};
    static const char *const keys[] = {"stats", NULL, NULL, "sessions"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        park(coalescer, &waiters[i], keys[i]);
        usleep(100); /* the coalescer's clock has microseconds */
    }
    for (size_t i = 0; i < 4; i++) {
        struct batch *batch = coalescer_take(coalescer, false);
        assert_ptr_equal(TAILQ_FIRST(&batch->waiters), &waiters[i]);
        end_batch(coalescer, batch);
    }
    end_coalescer(coalescer);
}

static void writes_are_never_shared(void **state)
{
    struct coalescer *coalescer = new_coalescer(10);
    struct waiter a = {0}, b = {0};

    (void)state;
    park(coalescer, &a, NULL);
    park(coalescer, &b, NULL);
    struct batch *first = coalescer_take(coalescer, false),
                 *second = coalescer_take(coalescer, false);
    assert_ptr_equal(TAILQ_FIRST(&first->waiters), &a);
    assert_ptr_equal(TAILQ_FIRST(&second->waiters), &b);
    end_batch(coalescer, first);
    end_batch(coalescer, second);
    end_coalescer(coalescer);
}

static void a_full_coalescer_refuses(void **state)
{
    struct coalescer *coalescer = new_coalescer(2);
    struct waiter a = {0}, b = {0}, c = {0};

    (void)state;
    assert_int_equal(park(coalescer, &a, "x"), ERR_OK);
    assert_int_equal(park(coalescer, &b, "y"), ERR_OK);
    assert_int_equal(park(coalescer, &c, "x"), ERR_BUSY);
    end_batch(coalescer, coalescer_take(coalescer, false));
    assert_int_equal(park(coalescer, &c, "x"), ERR_OK);
    end_batch(coalescer, coalescer_take(coalescer, false));
    end_batch(coalescer, coalescer_take(coalescer, false));
    end_coalescer(coalescer);
}

static void old_waiters_expire(void **state)
{
    struct coalescer *coalescer = new_coalescer(10);
    struct waiter old = {.deadline = 100}, young = {.deadline = 200}, alone = {.deadline = 100};
    struct waiters out;

    (void)state;
    park(coalescer, &old, "stats");
    park(coalescer, &alone, "sessions");
    park(coalescer, &young, "stats");
    coalescer_expire(coalescer, 100, &out);
    assert_true(TAILQ_EMPTY(&out));
    coalescer_expire(coalescer, 101, &out);
    assert_int_equal(count(&out), 2);

    struct batch *batch = coalescer_take(coalescer, false);
    assert_string_equal(call_of(batch), "stats");
    assert_ptr_equal(TAILQ_FIRST(&batch->waiters), &young);
    end_batch(coalescer, batch);
    end_coalescer(coalescer); /* no empty batch of "sessions" is left */
}

static void expiry_behind_a_batch_under_way(void **state)
{
    struct coalescer *coalescer = new_coalescer(10);
    struct waiter first = {.deadline = 10}, next = {.deadline = 20};
    struct waiters out;

    (void)state;
    park(coalescer, &first, "stats");
    struct batch *batch = coalescer_take(coalescer, false);
    park(coalescer, &next, "stats");
    coalescer_expire(coalescer, 1000, &out);
    assert_int_equal(count(&out), 1); /* the first one is in a batch */
    end_batch(coalescer, batch);
    end_coalescer(coalescer);
}

static void no_waiting_without_db_workers(void **state)
{
    struct coalescer *coalescer = new_coalescer(10);
    struct waiter a = {0}, b = {0};
    struct waiters out;

    (void)state;
    coalescer_db_worker_up(coalescer);
    park(coalescer, &a, "stats");
    coalescer_db_worker_down(coalescer, ERR_DB_AWAY, &out);
    assert_true(TAILQ_EMPTY(&out)); /* one worker is still up */
    coalescer_db_worker_down(coalescer, ERR_DB_SCHEMA, &out);
    assert_int_equal(count(&out), 1);
    assert_int_equal(park(coalescer, &b, "stats"), ERR_DB_SCHEMA);
    coalescer_db_worker_up(coalescer);
    assert_int_equal(park(coalescer, &b, "stats"), ERR_OK);
    end_batch(coalescer, coalescer_take(coalescer, false));
    end_coalescer(coalescer);
}

static void a_stopped_coalescer_answers_what_it_has(void **state)
{
    struct coalescer *coalescer = new_coalescer(10);
    struct waiter a = {0}, b = {0};

    (void)state;
    park(coalescer, &a, "stats");
    assert_false(coalescer_stopped(coalescer, 0));
    coalescer_stop(coalescer);
    assert_true(coalescer_stopped(coalescer, 0));
    assert_int_equal(park(coalescer, &b, "stats"), ERR_STOPPING);
    end_batch(coalescer, coalescer_take(coalescer, false));
    end_coalescer(coalescer);
}

/* --- batches --------------------------------------------------------------------------------- */

static struct batch *take(struct coalescer *coalescer, unsigned weight, int waiters)
{
    struct batch *batch = coalescer_take(coalescer, false);

    assert_int_equal(batch->weight, weight);
    assert_int_equal(count(&batch->waiters), waiters);
    return batch;
}

static void a_batch_is_limited_by_weight(void **state)
{
    struct coalescer *coalescer = new_coalescer(2000);
    struct waiter a = {.weight = 499}, b = {.weight = 1}, c = {.weight = 1}, d = {.weight = 500};

    (void)state;
    park(coalescer, &a, "activity");
    park(coalescer, &b, "activity");
    park(coalescer, &c, "activity");
    park(coalescer, &d, "activity");
    struct batch *first = take(coalescer, 500, 2);
    assert_ptr_equal(TAILQ_FIRST(&first->waiters), &a); /* in order of arrival */
    end_batch(coalescer, first);
    end_batch(coalescer, take(coalescer, 1, 1));
    end_batch(coalescer, take(coalescer, 500, 1));
    end_coalescer(coalescer);
}

static void batches_of_writes_go_one_at_a_time(void **state)
{
    struct coalescer *coalescer = new_coalescer(2000);
    struct waiter a = {.weight = 300, .writes = true}, b = {.weight = 300, .writes = true};
    struct waiter other = {0};

    (void)state;
    coalescer_db_worker_up(coalescer);
    coalescer_db_worker_up(coalescer);
    park(coalescer, &a, "activity");
    struct batch *running = take(coalescer, 300, 1);
    park(coalescer, &b, "activity");
    park(coalescer, &other, "stats");
    struct batch *meanwhile =
        take(coalescer, 0, 1); /* a flood of one kind does not hold up the others */
    assert_ptr_equal(TAILQ_FIRST(&meanwhile->waiters), &other);
    end_batch(coalescer, meanwhile);
    end_batch(coalescer, running);
    end_batch(coalescer, take(coalescer, 300, 1));
    end_coalescer(coalescer);
}

static void two_batches_of_reads_overlap(void **state)
{
    struct coalescer *coalescer = new_coalescer(2000);
    struct waiter a = {.weight = 1}, b = {.weight = 1}, c = {.weight = 1}, other = {0};

    (void)state;
    coalescer_db_worker_up(coalescer);
    coalescer_db_worker_up(coalescer);
    park(coalescer, &a, "stats");
    struct batch *first = take(coalescer, 1, 1);
    park(coalescer, &b, "stats"); /* as many as the running batch: no delay */
    struct batch *second = take(coalescer, 1, 1);
    park(coalescer, &c, "stats");
    park(coalescer, &other, "sessions"); /* takes the third database worker */
    struct batch *meanwhile = take(coalescer, 0, 1);
    assert_ptr_equal(TAILQ_FIRST(&meanwhile->waiters), &other);
    end_batch(coalescer, meanwhile);
    end_batch(coalescer, second);
    end_batch(coalescer, take(coalescer, 1, 1));
    end_batch(coalescer, first);
    end_coalescer(coalescer);
}

static void a_key_is_bounded_by_weight(void **state)
{
    struct coalescer *coalescer = new_coalescer(700);
    struct waiter a = {.weight = 500}, b = {.weight = 300}, c = {.weight = 200},
                  d = {.weight = 300};

    (void)state;
    assert_int_equal(park(coalescer, &a, "activity"), ERR_OK);
    assert_int_equal(park(coalescer, &b, "activity"), ERR_BUSY);
    assert_int_equal(park(coalescer, &c, "activity"), ERR_OK);
    assert_int_equal(park(coalescer, &d, "heartbeat"), ERR_OK);
    end_batch(coalescer, take(coalescer, 500, 1));
    end_batch(coalescer, take(coalescer, 300, 1));
    end_batch(coalescer, take(coalescer, 200, 1));
    end_coalescer(coalescer);
}

static void waiters_leave_a_batch_with_their_weight(void **state)
{
    struct coalescer *coalescer = new_coalescer(2000);
    struct waiter old = {.weight = 400, .deadline = 10}, young = {.weight = 50, .deadline = 20},
                  more = {.weight = 450, .deadline = 30};
    struct waiters out;

    (void)state;
    park(coalescer, &old, "activity");
    park(coalescer, &young, "activity");
    coalescer_expire(coalescer, 15, &out);
    assert_int_equal(count(&out), 1);
    assert_ptr_equal(TAILQ_FIRST(&out), &old);
    park(coalescer, &more, "activity"); /* there is room again */
    end_batch(coalescer, take(coalescer, 500, 2));
    end_coalescer(coalescer);
}

static void a_closed_batch_expires_too(void **state)
{
    struct coalescer *coalescer = new_coalescer(2000);
    struct waiter a = {.weight = 500, .deadline = 10}, b = {.weight = 500, .deadline = 10},
                  first = {.weight = 1, .deadline = 10};
    struct waiters out;

    (void)state;
    park(coalescer, &first, "activity");
    struct batch *running = take(coalescer, 1, 1);
    park(coalescer, &a, "activity");
    park(coalescer, &b, "activity");
    coalescer_expire(coalescer, 11, &out);
    assert_int_equal(count(&out), 2);
    end_batch(coalescer, running);
    end_coalescer(coalescer); /* no empty batch is left */
}

/* --- freshness with many threads: no answer may be older than its request --------------------- */

enum { READERS = 4, DB_WORKERS = 3, BATCHES = 3000 };

struct reader {
    struct waiter waiter; /* first member: cast back */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    long answer; /* -1: none yet */
};

static struct {
    struct coalescer *coalescer;
    atomic_long clock; /* stands for the database; only grows */
    atomic_long selects;
    atomic_int running; /* running batches of the key */
} world;

static void *db_worker(void *unused)
{
    struct batch *batch = NULL;
    struct waiter *waiter = NULL;

    (void)unused;
    while ((batch = coalescer_take(world.coalescer, false))) {
        assert_int_equal(atomic_fetch_add(&world.running, 1), 0);
        long value = atomic_load(&world.clock);
        atomic_fetch_add(&world.selects, 1);
        sched_yield();
        atomic_fetch_sub(&world.running, 1);
        coalescer_loaded(world.coalescer, batch);
        while ((waiter = TAILQ_FIRST(&batch->waiters))) {
            struct reader *reader = (struct reader *)waiter;
            TAILQ_REMOVE(&batch->waiters, waiter, next);
            pthread_mutex_lock(&reader->lock);
            reader->answer = value;
            pthread_cond_signal(&reader->answered);
            pthread_mutex_unlock(&reader->lock);
        }
        batch_free(batch);
    }
    return NULL;
}

static void *reader(void *unused)
{
    struct reader self = {.answer = -1};

    (void)unused;
    pthread_mutex_init(&self.lock, NULL);
    pthread_cond_init(&self.answered, NULL);
    for (int i = 0; i < BATCHES; i++) {
        long written = atomic_fetch_add(&world.clock, 1) + 1;
        self.answer = -1;
        assert_int_equal(park(world.coalescer, &self.waiter, "clock"), ERR_OK);
        pthread_mutex_lock(&self.lock);
        while (self.answer < 0)
            pthread_cond_wait(&self.answered, &self.lock);
        pthread_mutex_unlock(&self.lock);
        assert_true(self.answer >= written);
    }
    pthread_cond_destroy(&self.answered);
    pthread_mutex_destroy(&self.lock);
    return NULL;
}

static void no_answer_is_older_than_its_request(void **state)
{
    pthread_t readers[READERS], db_workers[DB_WORKERS];

    (void)state;
    world.coalescer = new_coalescer(READERS);
    for (int i = 0; i < DB_WORKERS; i++)
        pthread_create(&db_workers[i], NULL, db_worker, NULL);
    for (int i = 0; i < READERS; i++)
        pthread_create(&readers[i], NULL, reader, NULL);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    coalescer_stop(world.coalescer);
    for (int i = 0; i < DB_WORKERS; i++)
        pthread_join(db_workers[i], NULL);
    assert_true(world.selects < (long)READERS * BATCHES); /* some were shared */
    coalescer_free(world.coalescer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_calls_share_a_batch),
        cmocka_unit_test(a_batch_under_way_takes_no_more),
        cmocka_unit_test(no_delay_when_all_are_there),
        cmocka_unit_test(writes_are_never_shared),
        cmocka_unit_test(the_oldest_call_goes_first),
        cmocka_unit_test(a_full_coalescer_refuses),
        cmocka_unit_test(old_waiters_expire),
        cmocka_unit_test(expiry_behind_a_batch_under_way),
        cmocka_unit_test(a_reader_leaves_writes_to_others),
        cmocka_unit_test(no_waiting_without_db_workers),
        cmocka_unit_test(a_stopped_coalescer_answers_what_it_has),
        cmocka_unit_test(a_batch_is_limited_by_weight),
        cmocka_unit_test(batches_of_writes_go_one_at_a_time),
        cmocka_unit_test(two_batches_of_reads_overlap),
        cmocka_unit_test(a_key_is_bounded_by_weight),
        cmocka_unit_test(waiters_leave_a_batch_with_their_weight),
        cmocka_unit_test(a_closed_batch_expires_too),
        cmocka_unit_test(no_answer_is_older_than_its_request),
    };

    return cmocka_run_group_tests_name("coalescer", tests, NULL, NULL);
}
