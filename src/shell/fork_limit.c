/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/fork_limit.h"

#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool can_fork(void)
{
    pid_t pid = vfork();

    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

/* Tests with the shell's limit: each process has its own, and users lower that of their shell. */
static bool can_fork_as(pid_t shell)
{
    struct rlimit own, shells;

    if (prlimit(shell, RLIMIT_NPROC, NULL, &shells) < 0 || getrlimit(RLIMIT_NPROC, &own) < 0)
        return can_fork();
    shells.rlim_max = own.rlim_max;
    if (shells.rlim_cur > own.rlim_max)
        shells.rlim_cur = own.rlim_max;
    setrlimit(RLIMIT_NPROC, &shells);
    bool can = can_fork();
    setrlimit(RLIMIT_NPROC, &own);
    return can;
}

void fork_limit_write(int fd, pid_t shell, const char *bytes, size_t length)
{
    if (!memchr(bytes, '\r', length) && !memchr(bytes, '\n', length))
        return;
    int failed = can_fork_as(shell) ? ftruncate(fd, 0) : pwrite(fd, "1", 1, 0) != 1;

    (void)failed; /* then the shell finds out by itself */
}
