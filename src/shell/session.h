/* SPDX-License-Identifier: MIT */
/* Runs a session from its beginning to its end: starts the user's shell, relays its terminal,
 * reports its commands to vsay-agent, and ends it on request.
 *
 * One thread with one poll loop. Reporting never delays the terminal: the agent client does not
 * block, and a session continues without an agent unless shell.require_agent is set. The reason is
 * that vsay-shell may be every user's login shell. Nobody may lose access to a machine, or a
 * running program, because the agent is being upgraded. */
#ifndef SHELL_SESSION_H
#define SHELL_SESSION_H

#include "machine/options.h"
#include "shell/program.h"

struct json_object;

struct session_request {
    const struct agent_options *options;
    const struct program *program;
    struct json_object *open; /* the open report without `leader`; the session takes ownership */
    const char *command;      /* the session's only command, to record; NULL: none */
    const char *nonce;        /* of the shell integration's marks */
    const char *not_recorded; /* why commands are not recorded; NULL: they are */
    bool on_pty;              /* false: the program gets our own streams */
};

/* Runs the session to its end. Returns the shell's exit status, or 128 + n if signal n ended it. */
int session_run(const struct session_request *request);

#endif
