/* SPDX-License-Identifier: MIT */
/* The arguments of a shell, read as that shell reads them: programs that start a login shell know
 * bash's, zsh's or fish's options, and not ours. */
#ifndef SHELL_ARGUMENTS_H
#define SHELL_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

struct shell_arguments {
    char **given;        /* what the shell was given, up to a NULL; borrowed */
    char **kept;         /* the same without what is told below, from `login` to `rcfile` */
    size_t count;        /* of `kept` */
    const char *command; /* of -c, or a script's name; NULL: the shell reads its input */
    bool login, no_profile;
    const char *rcfile;   /* read in place of the usual one, "" for none; NULL: the usual */
    bool posix;           /* POSIX mode was asked for */
    const char *unmarked; /* why the shell cannot be had to mark commands; NULL: it can */
};

/* `shell` is the base name of the shell's file. Borrows the strings of `given`, which ends with a
 * NULL, for the life of the result. Mistakes are left for the shell to find. */
void shell_arguments_read(struct shell_arguments *out, const char *shell, char **given);
void shell_arguments_free(struct shell_arguments *arguments);

/* Whether the shell takes --login; others take the name's leading dash only. */
bool shell_arguments_login_option(const char *shell);

#endif
