/* SPDX-License-Identifier: MIT */
/* Turns marks and command lines into numbered commands for the agent client. A command is reported
 * twice, when it starts and when it has ended: if the session dies in between, the command that ran
 * is known all the same. */
#ifndef SHELL_RECORDER_H
#define SHELL_RECORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "shell/redact.h"
#include "shell/agent_client.h"

struct recorder {
    const struct redact *redact; /* borrowed */
    struct agent_client *client; /* borrowed */
    long seq;                    /* of the last command */
    char *command;               /* the running command, as recorded; NULL: none */
    char *timestamp;
    char *begun; /* when a command began whose text is not known yet; NULL: none */
};

/* Reports that a command starts, after redaction. An empty one is not recorded. */
void recorder_start(struct recorder *recorder, const char *command, size_t length);
/* Reports the running command's result; `exit_code` is -1 when it is not known. */
void recorder_finish(struct recorder *recorder, bool success, int exit_code);

/* Handles a mark; for osc633_new. */
void recorder_mark(void *recorder, char mark, const char *text, size_t length);

/* Forgets the running command and frees its memory. */
void recorder_end(struct recorder *recorder);

#endif
