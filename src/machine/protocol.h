/* SPDX-License-Identifier: MIT */
/* What the members of a session's reports may be, as docs/agent-protocol.md has it: for vsay-shell,
 * which makes them, and vsay-agent, which does not believe it. */
#ifndef MACHINE_PROTOCOL_H
#define MACHINE_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/* The longest, in bytes. */
enum {
    MEMBER_NAME = 255,
    MEMBER_LABEL = 64,
    MEMBER_REASON = 64,
    MEMBER_WHY = 255,
    MEMBER_COMMAND = 65535
};

/* Whether `text`, which may be NULL, is ui, cli or vscode. */
bool protocol_is_source(const char *text);

/* Whether it is 1 to `max` bytes of UTF-8 without control characters. */
bool protocol_is_plain(const char *text, size_t max);

/* Adds a text; null when it is NULL. */
void protocol_put(struct json_object *object, const char *name, const char *text);

#endif
