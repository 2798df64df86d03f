/* SPDX-License-Identifier: MIT */
/* The commands of vsayctl. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { COMMAND_OPTIONS_MAX = 10 };

/* An option --NAME ARGUMENT, or without an argument --NAME. */
struct command_option {
    const char *name, *argument; /* NULL: a flag */
    const char *fallback;        /* NULL: none */
    const char *help;
};

/* What the command line gave. */
struct invocation {
    const char *config;                      /* path of --config, or NULL */
    const char *operand;                     /* NULL for a command that has none */
    const char *values[COMMAND_OPTIONS_MAX]; /* values[i] belongs to options[i]; of a flag that is
                                              * given, its name */
    bool json;                               /* print JSON; every command has this option */
};

struct subcommand {
    const char *name; /* one word or two */
    const char *summary;
    const char *operand; /* what the one argument apart from options is; NULL: none */
    struct command_option options[COMMAND_OPTIONS_MAX + 1]; /* ends with a NULL name */

    /* ERR_REQUEST means that the command line is at fault. */
    enum err (*run)(const struct invocation *invocation, struct error *e);
};

extern const struct subcommand cmd_setup, cmd_migrate, cmd_token, cmd_doctor;
extern const struct subcommand cmd_machine_add, cmd_machine_list, cmd_machine_remove,
    cmd_machine_rotate;
extern const struct subcommand cmd_grant, cmd_revoke;
extern const struct subcommand cmd_session_list, cmd_session_close;
extern const struct subcommand cmd_activity, cmd_purge;

#endif
