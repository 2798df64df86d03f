/* SPDX-License-Identifier: MIT */
/* Turns marks and command lines into numbered commands for the agent client. */
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
    char *command;               /* that runs, as it is recorded; NULL: none */
    char *timestamp;
    char *begun; /* when a command began that is named later; NULL: there is none */
};

void recorder_start(struct recorder *recorder, const char *command, size_t length);
/* The command has ended; `exit_code` is -1 when it is not known. */
void recorder_finish(struct recorder *recorder, bool success, int exit_code);

/* An osc633_on_mark. */
void recorder_mark(void *recorder, char mark, const char *text, size_t length);

void recorder_end(struct recorder *recorder);

#endif
