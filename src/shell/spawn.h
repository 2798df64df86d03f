/* SPDX-License-Identifier: MIT */
/* Starts the user's shell, which waits until it is let go. */
#ifndef SHELL_SPAWN_H
#define SHELL_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "shell/program.h"
#include "shell/terminal.h"

struct spawned {
    pid_t pid;
    int pty;  /* the master's side, not blocking; -1: none */
    int gate; /* see spawn_release */
};

/* With a terminal: on a new PTY with its size and settings, else with our own standard streams.
 * From here on vsay-shell is the reaper of all descendants, takes its signals (see
 * spawn_signals) from a descriptor, blocks all others, and has no streams that are the program's
 * but standard error. Closes the program's descriptor of the nonce here. False with errno. */
bool spawn_program(const struct program *program, const struct terminal *terminal,
                   struct spawned *out);

/* Runs the program, or not. */
void spawn_release(struct spawned *spawned, bool run);

/* A signalfd of SIGCHLD, SIGWINCH, SIGCONT, SIGHUP and SIGTERM. */
int spawn_signals(void);

#endif
