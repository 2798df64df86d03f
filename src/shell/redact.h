/* SPDX-License-Identifier: MIT */
/* Blackens what matches shell.mask, such as passwords, in commands that are recorded. */
#ifndef SHELL_REDACT_H
#define SHELL_REDACT_H

#include "base/conf.h"

struct redact;

/* `patterns` are POSIX extended regular expressions that agent_options_load has checked. */
struct redact *redact_new(const struct strlist *patterns);
void redact_free(struct redact *redact);

/* Replaces by *** what the first group of a pattern matches, or all that it matches when it has no
 * group. Takes `text` over and returns the result; the caller frees it. */
char *redact_apply(const struct redact *redact, char *text);

#endif
