/* SPDX-License-Identifier: MIT */
/* The board, with answerers whose every step the test controls. */
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

#include "api/board.h"
#include "base/xalloc.h"

static struct board *new_board(unsigned capacity)
{
    struct board *board = board_new(capacity);

    board_answerer_up(board);
    return board;
}

static void end_board(struct board *board)
{
    board_stop(board);
    assert_null(board_take(board, false));
    board_free(board);
}

static enum err park(struct board *board, struct waiter *waiter, const char *key)
{
    waiter->question = (void *)(uintptr_t)key;
    return board_park(board, waiter, key);
}

static int count(const struct waiters *waiters)
{
    struct waiter *waiter = NULL;
    int n = 0;

    TAILQ_FOREACH (waiter, waiters, next)
        n++;
    return n;
}

static const char *question_of(const struct round *round)
{
    return TAILQ_FIRST(&round->waiters)->question;
}

static void end_round(struct board *board, struct round *round)
{
    board_asked(board, round);
    round_free(round);
}

static void equal_questions_share_a_round(void **state)
{
    struct board *board = new_board(10);
    struct waiter a = {0}, b = {0}, c = {0};

    (void)state;
    assert_int_equal(park(board, &a, "stats"), ERR_OK);
    assert_int_equal(park(board, &b, "sessions"), ERR_OK);
    assert_int_equal(park(board, &c, "stats"), ERR_OK);

    struct round *stats = board_take(board, false);
    assert_string_equal(question_of(stats), "stats");
    assert_int_equal(count(&stats->waiters), 2);
    assert_ptr_equal(TAILQ_FIRST(&stats->waiters), &a);
    struct round *sessions = board_take(board, false);
    assert_string_equal(question_of(sessions), "sessions");
    assert_int_equal(count(&sessions->waiters), 1);
    end_round(board, stats);
    end_round(board, sessions);
    end_board(board);
}

static void a_round_under_way_takes_no_more(void **state)
{
    struct board *board = new_board(10);
    struct waiter early = {0}, late = {0}, other = {0};

    (void)state;
    park(board, &early, "stats");
    struct round *first = board_take(board, false);
    park(board, &late, "stats");
    park(board, &other, "sessions");
    assert_int_equal(count(&first->waiters), 1);

    /* The next round of a question starts when the first one has asked, not before. */
    struct round *meanwhile = board_take(board, false);
    assert_string_equal(question_of(meanwhile), "sessions");
    end_round(board, meanwhile);
    board_asked(board, first);
    struct round *second = board_take(board, false);
    assert_ptr_equal(TAILQ_FIRST(&second->waiters), &late);
    assert_ptr_equal(TAILQ_FIRST(&first->waiters), &early);
    round_free(first);
    end_round(board, second);
    end_board(board);
}

static void nobody_rests_when_all_are_there(void **state)
{
    struct board *board = new_board(10);
    struct waiter early = {0}, late = {0}, again = {0}, other = {0};

    (void)state;
    park(board, &early, "stats");
    struct round *first = board_take(board, false);
    park(board, &late, "stats");
    end_round(board, first);
    park(board, &again, "stats"); /* as the one that was answered would */
    park(board, &other, "sessions");
    struct round *second = board_take(board, false), *third = board_take(board, false);
    assert_int_equal(count(&second->waiters), 2);
    assert_ptr_equal(TAILQ_FIRST(&third->waiters), &other);
    end_round(board, second);
    end_round(board, third);
    end_board(board);
}

static void one_who_only_reads_leaves_what_writes(void **state)
{
    struct board *board = new_board(10);
    struct waiter write = {.writes = true}, other = {.writes = true}, read = {0};

    (void)state;
    park(board, &write, NULL);
    park(board, &other, NULL);
    park(board, &read, "stats");
    struct round *first = board_take(board, true), *second = board_take(board, false);
    assert_ptr_equal(TAILQ_FIRST(&first->waiters), &read);
    assert_ptr_equal(TAILQ_FIRST(&second->waiters), &write);
    end_round(board, first);
    end_round(board, second);

    /* The oldest comes first for the others, read or write. */
    park(board, &read, "stats");
    struct round *third = board_take(board, false);
    assert_ptr_equal(TAILQ_FIRST(&third->waiters), &other);
    end_round(board, third);
    end_round(board, board_take(board, false));
    end_board(board);
}

/* Reads and writes lie in queues of their own. */
static void the_oldest_question_goes_first(void **state)
{
    struct board *board = new_board(10);
    struct waiter waiters[] = {{0}, {.writes = true}, {.writes = true}, {0}};
    static const char *const keys[] = {"stats", NULL, NULL, "sessions"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        park(board, &waiters[i], keys[i]);
        usleep(100); /* a clock of microseconds */
    }
    for (size_t i = 0; i < 4; i++) {
        struct round *round = board_take(board, false);
        assert_ptr_equal(TAILQ_FIRST(&round->waiters), &waiters[i]);
        end_round(board, round);
    }
    end_board(board);
}

static void writes_are_never_shared(void **state)
{
    struct board *board = new_board(10);
    struct waiter a = {0}, b = {0};

    (void)state;
    park(board, &a, NULL);
    park(board, &b, NULL);
    struct round *first = board_take(board, false), *second = board_take(board, false);
    assert_ptr_equal(TAILQ_FIRST(&first->waiters), &a);
    assert_ptr_equal(TAILQ_FIRST(&second->waiters), &b);
    end_round(board, first);
    end_round(board, second);
    end_board(board);
}

static void a_full_board_refuses(void **state)
{
    struct board *board = new_board(2);
    struct waiter a = {0}, b = {0}, c = {0};

    (void)state;
    assert_int_equal(park(board, &a, "x"), ERR_OK);
    assert_int_equal(park(board, &b, "y"), ERR_OK);
    assert_int_equal(park(board, &c, "x"), ERR_BUSY);
    end_round(board, board_take(board, false));
    assert_int_equal(park(board, &c, "x"), ERR_OK);
    end_round(board, board_take(board, false));
    end_round(board, board_take(board, false));
    end_board(board);
}

static void old_waiters_expire(void **state)
{
    struct board *board = new_board(10);
    struct waiter old = {.deadline = 100}, young = {.deadline = 200}, alone = {.deadline = 100};
    struct waiters out;

    (void)state;
    park(board, &old, "stats");
    park(board, &alone, "sessions");
    park(board, &young, "stats");
    board_expire(board, 100, &out);
    assert_true(TAILQ_EMPTY(&out));
    board_expire(board, 101, &out);
    assert_int_equal(count(&out), 2);

    struct round *round = board_take(board, false);
    assert_string_equal(question_of(round), "stats");
    assert_ptr_equal(TAILQ_FIRST(&round->waiters), &young);
    end_round(board, round);
    end_board(board); /* no empty round of "sessions" is left */
}

static void expiry_behind_a_round_under_way(void **state)
{
    struct board *board = new_board(10);
    struct waiter first = {.deadline = 10}, next = {.deadline = 20};
    struct waiters out;

    (void)state;
    park(board, &first, "stats");
    struct round *round = board_take(board, false);
    park(board, &next, "stats");
    board_expire(board, 1000, &out);
    assert_int_equal(count(&out), 1); /* the first is being answered */
    end_round(board, round);
    end_board(board);
}

static void nobody_waits_without_answerers(void **state)
{
    struct board *board = new_board(10);
    struct waiter a = {0}, b = {0};
    struct waiters out;

    (void)state;
    board_answerer_up(board);
    park(board, &a, "stats");
    board_answerer_down(board, ERR_DB_AWAY, &out);
    assert_true(TAILQ_EMPTY(&out)); /* one is still up */
    board_answerer_down(board, ERR_DB_SCHEMA, &out);
    assert_int_equal(count(&out), 1);
    assert_int_equal(park(board, &b, "stats"), ERR_DB_SCHEMA);
    board_answerer_up(board);
    assert_int_equal(park(board, &b, "stats"), ERR_OK);
    end_round(board, board_take(board, false));
    end_board(board);
}

static void a_stopped_board_answers_what_it_has(void **state)
{
    struct board *board = new_board(10);
    struct waiter a = {0}, b = {0};

    (void)state;
    park(board, &a, "stats");
    assert_false(board_stopped(board, 0));
    board_stop(board);
    assert_true(board_stopped(board, 0));
    assert_int_equal(park(board, &b, "stats"), ERR_STOPPING);
    end_round(board, board_take(board, false));
    end_board(board);
}

/* --- batches --------------------------------------------------------------------------------- */

static struct round *take(struct board *board, unsigned weight, int waiters)
{
    struct round *round = board_take(board, false);

    assert_int_equal(round->weight, weight);
    assert_int_equal(count(&round->waiters), waiters);
    return round;
}

static void a_batch_takes_as_many_as_it_bears(void **state)
{
    struct board *board = new_board(2000);
    struct waiter a = {.weight = 499}, b = {.weight = 1}, c = {.weight = 1}, d = {.weight = 500};

    (void)state;
    park(board, &a, "activity");
    park(board, &b, "activity");
    park(board, &c, "activity");
    park(board, &d, "activity");
    struct round *first = take(board, 500, 2);
    assert_ptr_equal(TAILQ_FIRST(&first->waiters), &a); /* in the order in which they came */
    end_round(board, first);
    end_round(board, take(board, 1, 1));
    end_round(board, take(board, 500, 1));
    end_board(board);
}

static void batches_of_writes_go_one_at_a_time(void **state)
{
    struct board *board = new_board(2000);
    struct waiter a = {.weight = 300, .writes = true}, b = {.weight = 300, .writes = true};
    struct waiter other = {0};

    (void)state;
    board_answerer_up(board);
    board_answerer_up(board);
    park(board, &a, "activity");
    struct round *under_way = take(board, 300, 1);
    park(board, &b, "activity");
    park(board, &other, "stats");
    struct round *meanwhile = take(board, 0, 1); /* no flood of one kind holds up the others */
    assert_ptr_equal(TAILQ_FIRST(&meanwhile->waiters), &other);
    end_round(board, meanwhile);
    end_round(board, under_way);
    end_round(board, take(board, 300, 1));
    end_board(board);
}

static void two_batches_of_reads_overlap(void **state)
{
    struct board *board = new_board(2000);
    struct waiter a = {.weight = 1}, b = {.weight = 1}, c = {.weight = 1}, other = {0};

    (void)state;
    board_answerer_up(board);
    board_answerer_up(board);
    park(board, &a, "stats");
    struct round *first = take(board, 1, 1);
    park(board, &b, "stats"); /* as many as are under way: it need not rest */
    struct round *second = take(board, 1, 1);
    park(board, &c, "stats");
    park(board, &other, "sessions"); /* has the third answerer */
    struct round *meanwhile = take(board, 0, 1);
    assert_ptr_equal(TAILQ_FIRST(&meanwhile->waiters), &other);
    end_round(board, meanwhile);
    end_round(board, second);
    end_round(board, take(board, 1, 1));
    end_round(board, first);
    end_board(board);
}

static void a_key_is_bounded_by_weight(void **state)
{
    struct board *board = new_board(700);
    struct waiter a = {.weight = 500}, b = {.weight = 300}, c = {.weight = 200},
                  d = {.weight = 300};

    (void)state;
    assert_int_equal(park(board, &a, "activity"), ERR_OK);
    assert_int_equal(park(board, &b, "activity"), ERR_BUSY);
    assert_int_equal(park(board, &c, "activity"), ERR_OK);
    assert_int_equal(park(board, &d, "heartbeat"), ERR_OK);
    end_round(board, take(board, 500, 1));
    end_round(board, take(board, 300, 1));
    end_round(board, take(board, 200, 1));
    end_board(board);
}

static void waiters_leave_a_batch_with_their_weight(void **state)
{
    struct board *board = new_board(2000);
    struct waiter old = {.weight = 400, .deadline = 10}, young = {.weight = 50, .deadline = 20},
                  more = {.weight = 450, .deadline = 30};
    struct waiters out;

    (void)state;
    park(board, &old, "activity");
    park(board, &young, "activity");
    board_expire(board, 15, &out);
    assert_int_equal(count(&out), 1);
    assert_ptr_equal(TAILQ_FIRST(&out), &old);
    park(board, &more, "activity"); /* there is room for it again */
    end_round(board, take(board, 500, 2));
    end_board(board);
}

static void a_closed_batch_expires_too(void **state)
{
    struct board *board = new_board(2000);
    struct waiter a = {.weight = 500, .deadline = 10}, b = {.weight = 500, .deadline = 10},
                  first = {.weight = 1, .deadline = 10};
    struct waiters out;

    (void)state;
    park(board, &first, "activity");
    struct round *under_way = take(board, 1, 1);
    park(board, &a, "activity");
    park(board, &b, "activity");
    board_expire(board, 11, &out);
    assert_int_equal(count(&out), 2);
    end_round(board, under_way);
    end_board(board); /* no empty round is left */
}

/* --- freshness with many threads: no answer may be older than its request --------------------- */

enum { READERS = 4, ANSWERERS = 3, ROUNDS = 3000 };

struct reader {
    struct waiter waiter; /* first: cast back */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    long answer; /* -1: none yet */
};

static struct {
    struct board *board;
    atomic_long clock; /* the "database": only ever grows */
    atomic_long selects;
    atomic_int under_way; /* rounds of the one question at this moment */
} world;

static void *answerer(void *unused)
{
    struct round *round = NULL;
    struct waiter *waiter = NULL;

    (void)unused;
    while ((round = board_take(world.board, false))) {
        assert_int_equal(atomic_fetch_add(&world.under_way, 1), 0);
        long value = atomic_load(&world.clock);
        atomic_fetch_add(&world.selects, 1);
        sched_yield();
        atomic_fetch_sub(&world.under_way, 1);
        board_asked(world.board, round);
        while ((waiter = TAILQ_FIRST(&round->waiters))) {
            struct reader *reader = (struct reader *)waiter;
            TAILQ_REMOVE(&round->waiters, waiter, next);
            pthread_mutex_lock(&reader->lock);
            reader->answer = value;
            pthread_cond_signal(&reader->answered);
            pthread_mutex_unlock(&reader->lock);
        }
        round_free(round);
    }
    return NULL;
}

static void *reader(void *unused)
{
    struct reader self = {.answer = -1};

    (void)unused;
    pthread_mutex_init(&self.lock, NULL);
    pthread_cond_init(&self.answered, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        long written = atomic_fetch_add(&world.clock, 1) + 1;
        self.answer = -1;
        assert_int_equal(park(world.board, &self.waiter, "clock"), ERR_OK);
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
    pthread_t readers[READERS], answerers[ANSWERERS];

    (void)state;
    world.board = new_board(READERS);
    for (int i = 0; i < ANSWERERS; i++)
        pthread_create(&answerers[i], NULL, answerer, NULL);
    for (int i = 0; i < READERS; i++)
        pthread_create(&readers[i], NULL, reader, NULL);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    board_stop(world.board);
    for (int i = 0; i < ANSWERERS; i++)
        pthread_join(answerers[i], NULL);
    assert_true(world.selects < (long)READERS * ROUNDS); /* some were shared */
    board_free(world.board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_questions_share_a_round),
        cmocka_unit_test(a_round_under_way_takes_no_more),
        cmocka_unit_test(nobody_rests_when_all_are_there),
        cmocka_unit_test(writes_are_never_shared),
        cmocka_unit_test(the_oldest_question_goes_first),
        cmocka_unit_test(a_full_board_refuses),
        cmocka_unit_test(old_waiters_expire),
        cmocka_unit_test(expiry_behind_a_round_under_way),
        cmocka_unit_test(one_who_only_reads_leaves_what_writes),
        cmocka_unit_test(nobody_waits_without_answerers),
        cmocka_unit_test(a_stopped_board_answers_what_it_has),
        cmocka_unit_test(a_batch_takes_as_many_as_it_bears),
        cmocka_unit_test(batches_of_writes_go_one_at_a_time),
        cmocka_unit_test(two_batches_of_reads_overlap),
        cmocka_unit_test(a_key_is_bounded_by_weight),
        cmocka_unit_test(waiters_leave_a_batch_with_their_weight),
        cmocka_unit_test(a_closed_batch_expires_too),
        cmocka_unit_test(no_answer_is_older_than_its_request),
    };

    return cmocka_run_group_tests_name("board", tests, NULL, NULL);
}
