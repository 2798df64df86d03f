/* SPDX-License-Identifier: MIT */
/* The commands of vsayctl. Each cmd_*.c defines one or more as a constant; main.c parses the
 * command line by these constants, prints their help, and runs them.
 *
 * To add a command, write its constant and name it here and in main.c's list. A test compares the
 * options with the manual, and shells complete them from --help. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arguments.h"
#include "base/error.h"

/* The parsed command line. */
struct invocation {
    const char *config;        /* path of --config, or NULL */
    const char *operand;       /* NULL: none */
    const char *const *values; /* values[i] is that of options[i]; of a given flag, its name */
    bool json;                 /* print JSON; every command has this option */
};

struct subcommand {
    const char *name; /* one word or two */
    const char *summary;
    const char *operand; /* name of the only argument that is not an option; NULL: none */
    struct arguments_option options[ARGUMENTS_MAX]; /* up to one without a name */

    /* ERR_REQUEST: the command line is wrong (exit status 2). */
    enum err (*run)(const struct invocation *invocation, struct error *e);
};

struct json_object;

/* vsayctl doctor, with which setup ends: checks everything that the service needs, as the present
 * user. `config` is its configuration; NULL: the default. Each result goes to the array `results`,
 * or if that is NULL, to standard output. ERR_CONFIG when a check has failed. */
enum err doctor_examine(const char *config, struct json_object *results, struct error *e);

extern const struct subcommand cmd_setup, cmd_migrate, cmd_token, cmd_doctor;
extern const struct subcommand cmd_machine_add, cmd_machine_list, cmd_machine_remove,
    cmd_machine_rotate;
extern const struct subcommand cmd_grant, cmd_revoke;
extern const struct subcommand cmd_session_list, cmd_session_close;
extern const struct subcommand cmd_activity, cmd_purge;

#endif
