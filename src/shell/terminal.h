/* SPDX-License-Identifier: MIT */
/* The user's terminal while vsay-shell passes everything through. */
#ifndef SHELL_TERMINAL_H
#define SHELL_TERMINAL_H

#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>

struct terminal {
    int in, out; /* -1: it is gone */
    struct termios saved;
};

/* Standard input must be a terminal. */
bool terminal_open(struct terminal *terminal);
void terminal_raw(const struct terminal *terminal);
void terminal_restore(const struct terminal *terminal);

/* Gives the terminal's size to `pty`. */
void terminal_resize(const struct terminal *terminal, int pty);
struct winsize terminal_size(const struct terminal *terminal);

/* There is nobody any more. */
void terminal_leave(struct terminal *terminal);

#endif
