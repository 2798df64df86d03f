/* SPDX-License-Identifier: MIT */
/* Starts the user's shell. It waits before exec until it is released, so that its pid can be
 * reported to the agent, and refused by it, before it runs anything. */
#ifndef SHELL_SPAWN_H
#define SHELL_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "shell/program.h"

struct termios;
struct winsize;

struct spawned {
    pid_t pid;
    int pty;  /* the master's side, not blocking; -1: none */
    int gate; /* the pipe that spawn_release writes to */
};

/* Starts the program on a new PTY with these settings and size, or on our own standard streams if
 * `settings` is NULL. Returns false, with errno, on failure. Afterwards this process
 *   - is a child subreaper, so that orphans of the session become its children;
 *   - blocks all signals and reads those of spawn_signals from a descriptor;
 *   - has closed the nonce's descriptor and, without a PTY, standard input and output: these end
 *     when the program closes them. */
bool spawn_program(const struct program *program, const struct termios *settings,
                   const struct winsize *size, struct spawned *out);

/* Lets the program run, or makes it exit without running. */
void spawn_release(struct spawned *spawned, bool run);

/* Returns a signalfd for SIGCHLD, SIGWINCH, SIGCONT, SIGHUP and SIGTERM. */
int spawn_signals(void);

/* Tests whether the shell could start another process, and tells the integration. At the limit
 * (ulimit -u, pids.max) bash retries each fork for 15 s, also that of our integration, and then
 * gives up the command that the fork was for. So the integration must know before it forks.
 *
 * Call it before input is passed to the shell. If the input enters a line, it starts a process in
 * the shell's place, under its limit (0.05 ms); writes "1" to the file `fd` if that fails, and
 * empties it otherwise. */
void spawn_write_limit(int fd, pid_t shell, const char *bytes, size_t length);

#endif
