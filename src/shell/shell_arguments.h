/* SPDX-License-Identifier: MIT */
/* Parses a shell's arguments the way that shell would. vsay-shell stands in for a login shell, and
 * the programs that start it pass the options of bash, zsh or fish, not ours. */
#ifndef SHELL_SHELL_ARGUMENTS_H
#define SHELL_SHELL_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

struct shell_arguments {
    char **given;        /* all arguments, up to a NULL; borrowed */
    char **kept;         /* the same without those that set `login` to `rcfile` below */
    size_t count;        /* of `kept` */
    const char *command; /* of -c, or a script's name; NULL: the shell reads standard input */
    bool login, no_profile;
    const char *rcfile;   /* replaces the usual startup file; "": none; NULL: the usual one */
    bool posix;           /* POSIX mode was requested */
    const char *unmarked; /* why the shell cannot mark its commands; NULL: it can */
};

/* Parses `given`, which ends with a NULL; its strings are borrowed for the life of the result.
 * `shell` is the base name of the shell's file. Errors are left for the shell to report. */
void shell_arguments_parse(struct shell_arguments *out, const char *shell, char **given);
void shell_arguments_free(struct shell_arguments *arguments);

/* Returns whether the shell knows --login. Others know only a name with a leading dash. */
bool shell_arguments_login_option(const char *shell);

#endif
