/* SPDX-License-Identifier: MIT */
/* The shell program to run: its path, arguments and environment, with the integration that makes
 * bash and zsh mark their commands. */
#ifndef SHELL_PROGRAM_H
#define SHELL_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "shell/arguments.h"

struct program {
    char *path;
    char *name;   /* argv[0] */
    char *rcfile; /* of bash */
    char **argv;  /* NULL-terminated; its items are borrowed */
    size_t count;
    int nonce; /* the pipe from which the integration reads the nonce; -1: none */
    int limit; /* the file that spawn_write_limit writes for bash; -1: none */
};

/* Returns the path of the shell to run: `configured` (shell.program), or the user's login shell if
 * that is "". The caller frees it. */
char *program_find(const char *configured);

/* Returns the base name, a pointer into `path`. */
const char *program_shell(const char *path);

/* Takes ownership of `path`. `login` puts a dash before the program's name. */
void program_init(struct program *program, char *path, bool login);
void program_free(struct program *program);

/* Appends arguments up to a NULL; the strings are borrowed. */
void program_add_all(struct program *program, char **arguments);

/* Makes bash or zsh mark its commands with `nonce`, and still read the startup files that
 * `arguments` ask for. Sets arguments and environment, and opens the descriptors. `share` is the
 * directory of the integration. Returns NULL, or why this is not possible; then the shell gets its
 * arguments unchanged, and the caller frees the text. */
char *program_integrate(struct program *program, const char *share, const char *nonce,
                        const struct shell_arguments *arguments);

/* Runs the program in place of this one. Returns only when that fails, with the exit status. */
int program_exec(const struct program *program);

#endif
