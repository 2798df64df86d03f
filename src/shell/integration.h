/* SPDX-License-Identifier: MIT */
/* Shell integration: makes bash and zsh mark their commands (osc633.h) by the scripts in
 * integration/. The shell itself knows where a command begins and ends, and what the user typed;
 * from the bytes of a terminal that can only be guessed, with editing, completion and history. */
#ifndef SHELL_INTEGRATION_H
#define SHELL_INTEGRATION_H

#include <stddef.h>
#include <sys/types.h>

#include "shell/program.h"
#include "shell/shell_arguments.h"

/* Makes bash or zsh mark its commands with `nonce`, and still read the startup files that
 * `arguments` ask for. Sets arguments and environment, and opens the descriptors. `share` is the
 * directory of the scripts. Returns NULL, or why this is not possible; then the shell gets its
 * arguments unchanged, and the caller frees the text. */
char *integration_set_up(struct program *program, const char *share, const char *nonce,
                         const struct shell_arguments *arguments);

/* Tests whether the shell could start another process, and tells the script. At the limit
 * (ulimit -u, pids.max) bash retries each fork for 15 s, also that of our script, and then gives up
 * the command that the fork was for. So the script must know before it forks.
 *
 * Call it before input is passed to the shell. If the input enters a line, it starts a process in
 * the shell's place, under its limit (0.05 ms); writes "1" to the file `fd` if that fails, and
 * empties it otherwise. */
void integration_write_limit(int fd, pid_t shell, const char *bytes, size_t length);

#endif
