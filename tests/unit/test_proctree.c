/* SPDX-License-Identifier: MIT */
/* agent/proctree: finds a session's processes, and nobody else's. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/proctree.h"

enum { FAMILY = 4 };

static int ready[2];

static void live(void)
{
    if (write(ready[1], "", 1) == 1)
        pause();
    _exit(0);
}

static void have_child(bool of_its_own)
{
    if (fork() > 0)
        return;
    if (of_its_own)
        setsid();
    live();
}

/* A leader with a child in its session, one in another session, and an orphan there. */
static pid_t start_family(void)
{
    pid_t leader = fork();

    if (leader == 0) {
        setsid();
        have_child(false);
        have_child(true);
        if (fork() == 0) {
            have_child(true);
            _exit(0);
        }
        live();
    }
    for (int i = 0; i < FAMILY; i++) {
        char byte;
        assert_int_equal(read(ready[0], &byte, 1), 1);
    }
    return leader;
}

static void reap(void)
{
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

static void all_are_found_and_killed(void **state)
{
    (void)state;
    struct proctree tree;

    pid_t leader = start_family();
    assert_true(process_find(leader, &tree.leader));
    assert_true(process_find(getpid(), &tree.shell));
    assert_true(process_descends(leader, getpid()));
    assert_false(process_descends(getpid(), leader));

    while (proctree_signal(&tree, 0) > FAMILY) /* the orphan's parent is on its way out */
        ;
    assert_int_equal(proctree_signal(&tree, 0), FAMILY);
    proctree_signal(&tree, SIGKILL);
    while (proctree_signal(&tree, 0) > 0)
        ;
    assert_false(process_alive(&tree.leader)); /* a zombie does not live */
    reap();
}

static void what_is_left_of_a_session_is_found(void **state)
{
    (void)state;
    struct proctree tree = {0}, everything = {0};

    pid_t leader = start_family();
    assert_true(process_find(leader, &tree.leader));
    assert_true(process_find(getpid(), &everything.shell));
    while (proctree_signal(&tree, 0) >= FAMILY) /* the orphan's parent is on its way out */
        ;
    assert_int_equal(proctree_signal(&tree, 0), FAMILY - 1); /* without the orphan */
    assert_true(process_signal(&tree.leader, SIGKILL));
    assert_int_equal(waitpid(leader, NULL, 0), leader);
    assert_int_equal(proctree_signal(&tree, 0), 1); /* the one in its session */
    while (proctree_signal(&everything, SIGKILL) > 0)
        ;
    reap();
}

static void a_stranger_with_the_number_is_spared(void **state)
{
    (void)state;
    struct proctree tree = {0}, everything = {0};

    pid_t leader = start_family();
    assert_true(process_find(leader, &tree.leader));
    tree.leader.start++;
    assert_false(process_alive(&tree.leader));
    assert_false(process_signal(&tree.leader, SIGKILL));
    assert_int_equal(errno, ESRCH);
    assert_true(process_find(getpid(), &tree.shell));
    tree.shell.start++;
    assert_int_equal(proctree_signal(&tree, SIGKILL), 0);
    assert_true(process_find(leader, &tree.leader));

    assert_true(process_find(getpid(), &everything.shell));
    while (proctree_signal(&everything, SIGKILL) > 0)
        ;
    reap();
}

static int set_up(void **state)
{
    (void)state;
    return pipe(ready) || prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_found_and_killed),
        cmocka_unit_test(what_is_left_of_a_session_is_found),
        cmocka_unit_test(a_stranger_with_the_number_is_spared),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
