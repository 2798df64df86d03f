/* SPDX-License-Identifier: MIT */
/* Runs a session: starts the user's shell, relays bytes between it and the user's terminal, records
 * its commands, and ends it on request.
 *
 * One thread with one poll loop. Reporting never delays the terminal: the agent client does not
 * block, and a session continues without an agent unless shell.require_agent is set. */
#ifndef SHELL_RELAY_H
#define SHELL_RELAY_H

#include "machine/options.h"
#include "shell/program.h"

struct json_object;

struct relay_request {
    const struct agent_options *options;
    const struct program *program;
    struct json_object *open; /* the open report without `leader`; the relay takes ownership */
    const char *command;      /* the session's only command, to record; NULL: none */
    const char *nonce;        /* of the shell integration's marks */
    const char *not_recorded; /* why commands are not recorded; NULL: they are */
    bool on_pty;              /* false: the program gets our own streams */
};

/* Runs the session to its end. Returns the shell's exit status, or 128 + n if signal n ended it. */
int relay_run(const struct relay_request *request);

#endif
