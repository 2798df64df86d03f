/* SPDX-License-Identifier: MIT */
/* The bytes between the user's terminal and the shell's pseudo-terminal (PTY), and the user's
 * terminal itself, which is in raw mode meanwhile.
 *
 * Each direction has one buffer, and its source is not read again before the buffer is empty. So a
 * terminal that takes no output stops the shell that writes it, as it would without us, and the
 * memory of a session stays small.
 *
 * On its way to the user the output passes through osc633.h, which takes the shell's marks out.
 * A session without a PTY has a closed relay: its programs use our own standard streams, and
 * there are no bytes to relay. */
#ifndef SHELL_RELAY_H
#define SHELL_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <termios.h>

#include "base/buffer.h"
#include "shell/mark_monitor.h"
#include "shell/osc633.h"

struct relay {
    int in, out;                  /* the user's terminal; -1: it is gone, or there is none */
    int pty;                      /* the master's side of the shell's; -1: likewise */
    int limit;                    /* the file of integration_write_limit, or -1 */
    struct termios saved;         /* the terminal's settings before it was raw */
    struct osc633 *osc633;        /* made by the session, owned by the relay */
    struct mark_monitor *monitor; /* learns of what passes; borrowed */
    pid_t shell;
    struct buffer to_shell, to_user;
    int64_t reopen_at; /* clock_ms to poll the closed PTY again; 0: it is open */
    int64_t read_at;   /* clock_ms of the last output */
    size_t rest;       /* output read since the shell's exit */
    bool exited;       /* the shell has; set by the session */
    bool drained;      /* ... and what it left in the PTY was read */
};

enum { RELAY_USER_IN, RELAY_USER_OUT, RELAY_PTY, RELAY_FDS };

/* Makes a relay without a terminal. */
void relay_init(struct relay *relay);
void relay_free(struct relay *relay);

/* Opens the user's terminal; returns false if standard input is not one. */
bool relay_open(struct relay *relay);
/* Ends the relay: closes both terminals. */
void relay_close(struct relay *relay);

void relay_raw(const struct relay *relay);
void relay_restore(const struct relay *relay);
/* Reads the terminal's size; returns false, and leaves *out, if there is none. */
bool relay_size(const struct relay *relay, struct winsize *out);
/* Copies the terminal's size to the shell's PTY. */
void relay_resize(const struct relay *relay);

/* Tells the event loop what to poll for, and for how long at most (ms; -1: no limit). */
void relay_poll(const struct relay *relay, struct pollfd fds[RELAY_FDS]);
int relay_timeout(const struct relay *relay);

/* Events that relay_step has seen, in any combination. */
enum {
    RELAY_TYPED = 1, /* the user has typed something */
    RELAY_GONE = 2   /* the user's terminal is gone; the relay has closed itself */
};

/* Relays what it can without blocking, as relay_poll's `fds` say. */
unsigned relay_step(struct relay *relay, const struct pollfd fds[RELAY_FDS]);

/* Shows a line to the user, between two pieces of the shell's output. */
void relay_say(struct relay *relay, const char *line);

/* Returns whether the shell has exited and the user has all of its output. */
bool relay_done(const struct relay *relay);

/* Writes the remaining output, unless the terminal blocks. */
void relay_flush(struct relay *relay);

#endif
