/* SPDX-License-Identifier: MIT */
/* A session's identity: its id, its open report, and whether it runs inside another session. */
#ifndef SHELL_IDENTITY_H
#define SHELL_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

struct identity {
    const char *source, *user_id, *username; /* from the command line, or NULL */
};

enum { SECRET_SIZE = 33 };

/* Generates 32 random hexadecimal digits. */
void identity_secret(char out[SECRET_SIZE]);

/* Returns whether an outer vsay-shell already records this one. If the outer one runs a command,
 * and this one has a terminal, this is a session of its own. */
bool identity_nested(bool on_pty);

/* Makes the open report, which the caller puts. Marks the environment, so that a vsay-shell inside
 * this session recognises that it is nested. */
struct json_object *identity_open(const struct identity *identity, bool on_pty);

#endif
