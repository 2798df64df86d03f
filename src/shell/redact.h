/* SPDX-License-Identifier: MIT */
/* Blackens what matches shell.mask, such as passwords, in commands that are recorded. */
#ifndef SHELL_REDACT_H
#define SHELL_REDACT_H

#include "base/conf.h"

struct mask;

/* `patterns` are POSIX extended regular expressions that agent_options_load has checked. */
struct mask *redact_new(const struct strlist *patterns);
void redact_free(struct mask *mask);

/* Replaces by *** what the first group of a pattern matches, or all that it matches when it has no
 * group. Takes `text` over and returns the result; the caller frees it. */
char *redact_apply(const struct mask *mask, char *text);

#endif
