/* SPDX-License-Identifier: MIT */
/* Tests of machine/proctree: it finds a session's processes, and no others. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine/proctree.h"

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

/* Starts a leader with a child in its session, another child in a session of its own, and an orphan
 * there. */
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
    assert_int_equal(proctree_signal(&tree, 0), 0); /* it may be a stranger's by now */
    tree.leader_seen = true;
    tree.uid = getuid() + 1;
    assert_int_equal(proctree_signal(&tree, 0), 0);
    tree.uid = getuid();
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

static void *outlive(void *unused)
{
    (void)unused;
    live();
    return NULL;
}

static void wait_for_zombie(pid_t pid)
{
    char path[64], state = 0;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    while (state != 'Z') {
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
        fclose(file);
    }
}

static void a_main_thread_that_has_exited_is_no_end(void **state)
{
    (void)state;
    struct proctree tree = {0};
    pthread_t thread;
    char byte;

    pid_t leader = fork();
    if (leader == 0) {
        have_child(false);
        pthread_create(&thread, NULL, outlive, NULL);
        pthread_exit(NULL);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(process_find(leader, &tree.leader));
    assert_true(process_find(getpid(), &tree.shell));
    wait_for_zombie(leader);
    assert_int_equal(proctree_signal(&tree, SIGKILL), 2);
    while (proctree_signal(&tree, 0) > 0)
        ;
    reap();
}

static void what_cannot_be_seen_is_not_gone(void **state)
{
    (void)state;
    struct proctree tree = {0};
    struct rlimit limit, none;

    assert_true(process_find(getpid(), &tree.shell));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool alive = process_alive(&tree.shell);
    size_t count = proctree_signal(&tree, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(alive);
    assert_int_equal(count, 1);
    assert_int_equal(proctree_signal(&tree, 0), 0);
}

/* --- kernels before 5.3, and containers that forbid pidfd_open(2) ------------------------------
 */

static int refusal; /* errno of pidfd_open; 0: the kernel's own answer */
static int refused;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    va_list arguments;
    long value[4];

    va_start(arguments, number);
    for (int i = 0; i < 4; i++)
        value[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_pidfd_open && refusal) {
        refused++;
        errno = refusal;
        return -1;
    }
    return __real_syscall(number, value[0], value[1], value[2], value[3]);
}

static void without_pidfds(void **state)
{
    static const int refusals[] = {ENOSYS, EPERM};

    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct process process, other;
        int status = 0;
        char byte;
        pid_t pid = fork();
        if (pid == 0)
            live();
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_true(process_find(pid, &process));
        other = process;
        other.start--; /* a process that had the pid before */
        refusal = refusals[i];
        refused = 0;
        assert_false(process_signal(&other, SIGKILL));
        assert_int_equal(errno, ESRCH);
        assert_true(process_signal(&process, 0));
        assert_true(process_signal(&process, SIGTERM));
        assert_int_equal(refused, 3);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        assert_false(process_signal(&process, SIGKILL));
        refusal = 0;
    }
}

/* Without descriptors there is no pidfd, and kill(2) might hit another process. */
static void no_signal_by_a_mere_number(void **state)
{
    struct process self;

    (void)state;
    assert_true(process_find(getpid(), &self));
    refusal = EMFILE;
    assert_false(process_signal(&self, 0));
    assert_int_equal(errno, EMFILE);
    refusal = 0;
    assert_true(process_signal(&self, 0));
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
        cmocka_unit_test(a_main_thread_that_has_exited_is_no_end),
        cmocka_unit_test(what_cannot_be_seen_is_not_gone),
        cmocka_unit_test(without_pidfds),
        cmocka_unit_test(no_signal_by_a_mere_number),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
