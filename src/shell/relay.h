/* SPDX-License-Identifier: MIT */
/* Runs a session: starts the shell, passes bytes both ways, records commands, and ends it when it
 * is told to. */
#ifndef SHELL_RELAY_H
#define SHELL_RELAY_H

#include "machine/options.h"
#include "shell/program.h"

struct json_object;

struct relay_request {
    const struct agent_options *options;
    const struct program *program;
    struct json_object *open; /* the session's opening message without its leader; taken over */
    const char *command;      /* on our own streams, as it is recorded; NULL: nothing to record */
    const char *nonce;        /* of the shell integration's marks */
    const char *not_recorded; /* why no commands are; NULL: they are */
    bool on_pty;
};

/* Returns the shell's exit status, 128 + n when signal n ended it. */
int relay_run(const struct relay_request *request);

#endif
