/* SPDX-License-Identifier: MIT */
/* Who a session is: its id, its opening message, and whether it runs within another one. */
#ifndef SHELL_IDENTITY_H
#define SHELL_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

struct identity {
    const char *source, *user_id, *username; /* of the command line, or NULL */
};

enum { SECRET_SIZE = 33 };

/* 32 random hexadecimal digits. */
void identity_secret(char out[SECRET_SIZE]);

/* Whether an outer vsay-shell records what we would. Within one that runs a command, a session on a
 * terminal is a session of its own. */
bool identity_nested(bool on_pty);

/* Makes the opening message, which the caller puts, and marks the environment for whatever runs
 * within. */
struct json_object *identity_open(const struct identity *identity, bool on_pty);

#endif
