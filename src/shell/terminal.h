/* SPDX-License-Identifier: MIT */
/* The user's terminal, in raw mode while vsay-shell relays everything to the shell's PTY. */
#ifndef SHELL_TERMINAL_H
#define SHELL_TERMINAL_H

#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>

struct terminal {
    int in, out; /* -1 once the terminal is gone */
    struct termios saved;
};

/* Opens the terminal; returns false if standard input is not one. */
bool terminal_open(struct terminal *terminal);
void terminal_raw(const struct terminal *terminal);
void terminal_restore(const struct terminal *terminal);

/* Copies the terminal's size to `pty`. */
void terminal_resize(const struct terminal *terminal, int pty);
struct winsize terminal_size(const struct terminal *terminal);

/* Closes the terminal after a hangup. */
void terminal_leave(struct terminal *terminal);

#endif
