/* SPDX-License-Identifier: MIT */
/* What becomes of a command line before it is recorded. Callers free what they get. */
#ifndef AGENT_SHELL_TEXT_H
#define AGENT_SHELL_TEXT_H

#include <stddef.h>

enum {
    TEXT_MAX = 65535,         /* of a command; docs/agent-protocol.md */
    TEXT_JSON_MAX = 120 << 10 /* of it in JSON: mod_fcgid takes requests of 128 KiB by default */
};

/* Well-formed UTF-8 without NUL: U+FFFD replaces each byte that is not. */
char *text_clean(const char *text, size_t length);

/* Cuts the text, between characters, to TEXT_MAX and TEXT_JSON_MAX. */
void text_cut(char *text);

#endif
