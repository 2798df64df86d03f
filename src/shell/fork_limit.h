/* SPDX-License-Identifier: MIT */
/* Whether the shell could start a process. When it could not (ulimit -u, pids.max), bash spends 15
 * s on each fork, also on our integration's, and gives up the command that it was for. */
#ifndef SHELL_FORK_LIMIT_H
#define SHELL_FORK_LIMIT_H

#include <sys/types.h>

/* Before the user's input is passed, if it enters a line: writes "1" to the file `fd` when `shell`
 * can start no process now, which it tries in its place, and else makes the file empty. */
void fork_limit_write(int fd, pid_t shell, const char *bytes, size_t length);

#endif
