/* SPDX-License-Identifier: MIT */
/* The commands of vsayctl. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "base/error.h"

enum { COMMAND_OPTIONS_MAX = 8 };

/* An option --NAME ARGUMENT. */
struct command_option {
    const char *name, *argument;
    const char *fallback; /* NULL: none */
    const char *help;
};

struct command {
    const char *name, *summary;
    struct command_option options[COMMAND_OPTIONS_MAX + 1]; /* ends with a NULL name */

    /* `config` is the path of --config or NULL; values[i] belongs to options[i]. ERR_REQUEST
     * means that the command line is at fault. */
    enum err (*run)(const char *config, const char *const *values, struct error *e);
};

extern const struct command cmd_migrate, cmd_token, cmd_doctor;

#endif
