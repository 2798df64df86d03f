/* SPDX-License-Identifier: MIT */
/* Turns a command line into the text that is recorded: valid UTF-8, without what matches shell.mask
 * (such as passwords), and not too long. This happens here, in the user's own process, so that a
 * secret never leaves it. */
#ifndef SHELL_REDACT_H
#define SHELL_REDACT_H

#include <stddef.h>

#include "base/conf.h"
#include "common/protocol.h"

enum {
    REDACT_COMMAND_MAX = MEMBER_COMMAND, /* bytes of the result */
    REDACT_JSON_MAX = 120 << 10 /* ... and as JSON; mod_fcgid's limit for requests is 128 KiB */
};

struct redact;

/* Compiles `patterns`, POSIX extended regular expressions that agent_options_load has checked. */
struct redact *redact_new(const struct strlist *patterns);
void redact_free(struct redact *redact);

/* Returns what is recorded of a command line, which may contain any bytes. Replaces the match of
 * each pattern's first group by ***, or the whole match if the pattern has no group, and each
 * invalid byte by U+FFFD; then cuts the text between two characters. The caller frees it. */
char *redact_command(const struct redact *redact, const char *text, size_t length);

#endif
