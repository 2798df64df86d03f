/* SPDX-License-Identifier: MIT */
/* Tests whether the shell could start another process. At the limit (ulimit -u, pids.max) bash
 * retries each fork for 15 s, also that of our integration, and then gives up the command that the
 * fork was for. So the integration must know the answer before it forks; the test takes 0.05 ms. */
#ifndef SHELL_FORK_LIMIT_H
#define SHELL_FORK_LIMIT_H

#include <sys/types.h>

/* Call before input is passed to the shell. If it enters a line, starts a process in the shell's
 * place, under its limit; writes "1" to the file `fd` if that fails, and empties it otherwise. */
void fork_limit_write(int fd, pid_t shell, const char *bytes, size_t length);

#endif
