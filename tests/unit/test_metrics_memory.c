/* SPDX-License-Identifier: MIT */
/* The file in which workers count together. Other workers are forked processes. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/metrics_memory.h"

static const struct metrics_layout layout = {.meaning = 7, .counters = 3, .gauges = 2};
static char directory[] = "/tmp/vsay-metrics-XXXXXX", path[64];
static bool disk_is_full;

int __real_posix_fallocate(int fd, off_t offset, off_t length);
int __wrap_posix_fallocate(int fd, off_t offset, off_t length);

int __wrap_posix_fallocate(int fd, off_t offset, off_t length)
{
    return disk_is_full ? ENOSPC : __real_posix_fallocate(fd, offset, length);
}

static int make_directory(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/metrics", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static int remove_file(void **state)
{
    (void)state;
    remove(path);
    disk_is_full = false;
    return 0;
}

static struct metrics_memory *open_with(const struct metrics_layout *with, bool shared,
                                        const char *why)
{
    struct metrics_memory *memory = NULL;
    struct error e = {0};
    enum err err = metrics_memory_open(path, with, &memory, &e);

    assert_int_equal(err, why ? ERR_CONFIG : ERR_OK);
    if (why)
        assert_non_null(strstr(e.detail, why));
    assert_int_equal(metrics_memory_shared(memory), shared);
    return memory;
}

static struct metrics_memory *open_shared(void)
{
    return open_with(&layout, true, NULL);
}

static void refuse(const char *why)
{
    struct metrics_memory *memory = open_with(&layout, false, why);

    atomic_fetch_add(metrics_memory_counters(memory), 1); /* counts in private memory */
    metrics_memory_close(memory);
}

static uint64_t sum(const struct metrics_memory *memory, size_t counter)
{
    uint64_t sums[3] = {0};

    metrics_memory_sum(memory, sums);
    return sums[counter];
}

static int living(const struct metrics_memory *memory)
{
    int count = 0;

    for (size_t slot = 0; slot < METRICS_SLOTS; slot++)
        count += metrics_memory_live_gauges(memory, slot) != NULL;
    return count;
}

/* Starts another worker, which counts `by` and stays alive. */
static pid_t start_other(uint64_t by)
{
    int ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct metrics_memory *memory = NULL;
        if (metrics_memory_open(path, &layout, &memory, NULL))
            _exit(1);
        atomic_fetch_add(&metrics_memory_counters(memory)[1], by);
        atomic_store(&metrics_memory_gauges(memory)[1], 5);
        if (write(ready[1], "", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void kill_other(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void counters_of_all_add_up_and_stay(void **state)
{
    struct metrics_memory *memory = open_shared();
    pid_t first = start_other(10), second = start_other(100);

    (void)state;
    atomic_fetch_add(&metrics_memory_counters(memory)[1], 1);
    assert_int_equal(sum(memory, 1), 111);
    assert_int_equal(living(memory), 3);
    kill_other(first);
    assert_int_equal(sum(memory, 1), 111);
    assert_int_equal(living(memory), 2); /* so its gauges no longer count */
    pid_t third = start_other(1000);     /* takes over the first one's slot */
    assert_int_equal(sum(memory, 1), 1111);
    assert_int_equal(living(memory), 3);
    assert_int_equal(atomic_load(&metrics_memory_live_gauges(memory, 1)[0]), 0);
    assert_int_equal(atomic_load(&metrics_memory_live_gauges(memory, 1)[1]), 5);
    kill_other(second);
    kill_other(third);
    metrics_memory_close(memory);
    memory = open_shared();
    assert_int_equal(sum(memory, 1), 1111);
    metrics_memory_close(memory);
}

static void gauges_begin_at_nothing(void **state)
{
    pid_t other = start_other(1);

    (void)state;
    kill_other(other);
    struct metrics_memory *memory = open_shared();
    assert_int_equal(atomic_load(&metrics_memory_gauges(memory)[1]), 0);
    assert_int_equal(sum(memory, 1), 1);
    metrics_memory_close(memory);
}

static void no_path_is_memory_of_ones_own(void **state)
{
    struct metrics_memory *memory = NULL;

    (void)state;
    assert_int_equal(metrics_memory_open(NULL, &layout, &memory, NULL), ERR_OK);
    atomic_fetch_add(&metrics_memory_counters(memory)[2], 4);
    assert_int_equal(sum(memory, 2), 4);
    assert_int_equal(living(memory), 1);
    assert_false(metrics_memory_shared(memory));
    metrics_memory_close(memory);
}

static void another_layout_begins_anew(void **state)
{
    struct metrics_layout other = {.meaning = 8, .counters = 3, .gauges = 2};
    struct metrics_memory *memory = open_shared();

    (void)state;
    atomic_fetch_add(metrics_memory_counters(memory), 1);
    metrics_memory_close(memory);
    memory = open_with(&other, true, NULL);
    assert_int_equal(sum(memory, 0), 0);
    metrics_memory_close(memory);
}

static void a_file_that_was_cut_off_is_made_anew(void **state)
{
    (void)state;
    for (off_t length = 0; length < 20000; length += 4000) {
        struct metrics_memory *memory = open_shared();
        atomic_fetch_add(metrics_memory_counters(memory), 1);
        metrics_memory_close(memory);
        assert_int_equal(truncate(path, length), 0);
        memory = open_shared();
        assert_int_equal(sum(memory, 0), 0);
        metrics_memory_close(memory);
    }
}

/* Without the handler, touching a truncated page would end the process with SIGBUS. */
static void a_file_that_is_cut_off_in_use(void **state)
{
    struct metrics_memory *memory = open_shared();

    (void)state;
    atomic_fetch_add(metrics_memory_counters(memory), 5);
    assert_int_equal(truncate(path, 0), 0);
    atomic_fetch_add(metrics_memory_counters(memory), 1);
    assert_false(metrics_memory_shared(memory));
    assert_int_equal(sum(memory, 0), 1);
    assert_int_equal(living(memory), 1);
    metrics_memory_close(memory);
}

static void a_file_of_something_else_is_left_alone(void **state)
{
    static const char text[] = "dear diary";
    char found[sizeof text] = "";

    (void)state;
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    refuse("is not a metrics file");
    file = fopen(path, "r");
    assert_non_null(fgets(found, sizeof found, file));
    fclose(file);
    assert_string_equal(found, text);
    remove(path);
    assert_int_equal(mkdir(path, 0700), 0);
    refuse("Is a directory");
    remove(path);
    assert_int_equal(mkfifo(path, 0700), 0);
    refuse("is not a file");
    remove(path);
    assert_int_equal(symlink("/dev/zero", path), 0);
    refuse("symbolic links");
}

static void a_full_disk(void **state)
{
    (void)state;
    disk_is_full = true;
    refuse("No space left");
    disk_is_full = false;
    metrics_memory_close(open_shared());
}

static void more_workers_than_slots(void **state)
{
    pid_t others[METRICS_SLOTS];

    (void)state;
    for (size_t i = 0; i < METRICS_SLOTS; i++)
        others[i] = start_other(1);
    refuse("no free slot");
    kill_other(others[3]);
    struct metrics_memory *memory = open_shared();
    assert_int_equal(living(memory), METRICS_SLOTS);
    assert_int_equal(sum(memory, 1), METRICS_SLOTS);
    metrics_memory_close(memory);
    for (size_t i = 0; i < METRICS_SLOTS; i++) {
        if (i != 3)
            kill_other(others[i]);
    }
}

#define TEST(function) cmocka_unit_test_teardown(function, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counters_of_all_add_up_and_stay),
        TEST(gauges_begin_at_nothing),
        TEST(no_path_is_memory_of_ones_own),
        TEST(another_layout_begins_anew),
        TEST(a_file_that_was_cut_off_is_made_anew),
        TEST(a_file_that_is_cut_off_in_use),
        TEST(a_file_of_something_else_is_left_alone),
        TEST(a_full_disk),
        TEST(more_workers_than_slots),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
