/* SPDX-License-Identifier: MIT */
/* Which shell to run, and how. */
#ifndef AGENT_SHELL_PROGRAM_H
#define AGENT_SHELL_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

struct program {
    char *path;
    char *name;   /* argv[0] */
    char *rcfile; /* of bash */
    char **argv;  /* NULL-terminated; its items are borrowed */
    size_t count;
    int nonce; /* a descriptor for the shell, where its integration reads the nonce; -1: none */
};

/* `configured` is shell.program; "" for the user's login shell. */
void program_init(struct program *program, const char *configured, bool login);
void program_free(struct program *program);

void program_add(struct program *program, char *argument);

/* Has bash or zsh, and no other shell, mark its commands with `nonce`: sets arguments and the
 * environment, and opens a descriptor. `share` is the directory of the integration. Returns NULL, or
 * why it cannot be done; the caller frees that. */
char *program_integrate(struct program *program, const char *share, const char *nonce, bool login);

/* Only returns when the program cannot be run, and then the exit status. */
int program_exec(const struct program *program);

#endif
