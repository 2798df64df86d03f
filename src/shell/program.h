/* SPDX-License-Identifier: MIT */
/* Which shell to run, and how. */
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
    int nonce; /* a descriptor for the shell, where its integration reads the nonce; -1: none */
    int limit; /* of the file that fork_limit_write writes for bash; -1: none */
};

/* The path of the shell to run, which the caller frees: `configured` (shell.program), or for "" the
 * user's login shell. */
char *program_find(const char *configured);

/* The base name of a path, within it. */
const char *program_shell(const char *path);

/* Takes `path` over. `login`: by the name's leading dash. */
void program_init(struct program *program, char *path, bool login);
void program_free(struct program *program);

/* Appends arguments, up to a NULL. The strings are borrowed. */
void program_add_all(struct program *program, char **arguments);

/* Has bash or zsh, and no other shell, mark its commands with `nonce`, and read what `arguments`
 * say: sets arguments and the environment, and opens a descriptor. `share` is the directory of the
 * integration. Returns NULL, or why it cannot be done, and then the shell gets its arguments as
 * they are; the caller frees that. */
char *program_integrate(struct program *program, const char *share, const char *nonce,
                        const struct shell_arguments *arguments);

/* Only returns when the program cannot be run, and then the exit status. */
int program_exec(const struct program *program);

#endif
