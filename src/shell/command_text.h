/* SPDX-License-Identifier: MIT */
/* What becomes of a command line before it is recorded. Callers free what they get. */
#ifndef SHELL_COMMAND_TEXT_H
#define SHELL_COMMAND_TEXT_H

#include <stddef.h>

#include "common/protocol.h"

enum {
    COMMAND_TEXT_MAX = MEMBER_COMMAND,
    COMMAND_JSON_MAX = 120 << 10 /* of it in JSON: mod_fcgid takes requests of 128 KiB by default */
};

/* Well-formed UTF-8 without NUL: U+FFFD replaces each byte that is not. */
char *command_text_clean(const char *text, size_t length);

/* Cuts the text, between characters, to COMMAND_TEXT_MAX and COMMAND_JSON_MAX. */
void command_text_cut(char *text);

#endif
