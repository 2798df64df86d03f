/* SPDX-License-Identifier: MIT */
/* The user's shell as a program: its path, its arguments, and its start on a new PTY.
 *
 * The program waits before exec until it is released, so that its pid can be reported to the agent,
 * and refused by it, before it runs anything. */
#ifndef SHELL_PROGRAM_H
#define SHELL_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct termios;
struct winsize;

struct program {
    char *path;
    char *name;   /* argv[0] */
    char *rcfile; /* of bash */
    char **argv;  /* NULL-terminated; its items are borrowed */
    size_t count;
    int nonce; /* the pipe from which the integration reads the nonce; -1: none */
    int limit; /* the file that integration_write_limit writes for bash; -1: none */
};

/* Returns the path of the shell to run: `configured` (shell.program), or the user's login shell if
 * that is "". The caller frees it. */
char *program_find(const char *configured);

/* Returns the base name, a pointer into `path`. */
const char *program_base_name(const char *path);

/* Returns whether the file is vsay-shell's own. */
bool program_is_myself(const char *path);

/* Takes ownership of `path`. `login` puts a dash before the program's name. */
void program_init(struct program *program, char *path, bool login);
void program_free(struct program *program);

/* Appends an argument, or arguments up to a NULL; the strings are borrowed. */
void program_add(struct program *program, char *argument);
void program_add_all(struct program *program, char **arguments);

/* Runs the program in place of this one. Returns only when that fails, with the exit status. */
int program_exec(const struct program *program);

struct program_child {
    pid_t pid;
    int pty;  /* the master's side, not blocking; -1: none */
    int gate; /* the pipe that program_release writes to */
};

/* Starts the program on a new PTY with these settings and size, or on our own standard streams if
 * `settings` is NULL. Returns false, with errno, on failure. Afterwards this process
 *   - is a child subreaper, so that orphans of the session become its children;
 *   - blocks all signals, to read them from a signalfd(2);
 *   - has closed the nonce's descriptor and, without a PTY, standard input and output: these end
 *     when the program closes them. */
bool program_start(const struct program *program, const struct termios *settings,
                   const struct winsize *size, struct program_child *out);

/* Lets the program run, or makes it exit without running. */
void program_release(struct program_child *child, bool run);

#endif
