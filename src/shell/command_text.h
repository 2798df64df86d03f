/* SPDX-License-Identifier: MIT */
/* Prepares a command line for being recorded. The caller frees the results. */
#ifndef SHELL_COMMAND_TEXT_H
#define SHELL_COMMAND_TEXT_H

#include <stddef.h>

#include "common/protocol.h"

enum {
    COMMAND_TEXT_MAX = MEMBER_COMMAND,
    COMMAND_JSON_MAX = 120 << 10 /* bytes as JSON; mod_fcgid's limit for requests is 128 KiB */
};

/* Returns the text as valid UTF-8 without NUL: U+FFFD replaces each invalid byte. */
char *command_text_clean(const char *text, size_t length);

/* Cuts the text between two characters, so that both limits hold. */
void command_text_cut(char *text);

#endif
