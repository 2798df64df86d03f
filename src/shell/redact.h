/* SPDX-License-Identifier: MIT */
/* Replaces what matches shell.mask, such as passwords, in commands before they are recorded. This
 * happens here, in the user's own process, so that a secret never leaves it. */
#ifndef SHELL_REDACT_H
#define SHELL_REDACT_H

#include "base/conf.h"

struct redact;

/* Compiles `patterns`, POSIX extended regular expressions that agent_options_load has checked. */
struct redact *redact_new(const struct strlist *patterns);
void redact_free(struct redact *redact);

/* Replaces the match of each pattern's first group by ***, or the whole match if the pattern has no
 * group. Takes ownership of `text`; returns the result, which the caller frees. */
char *redact_apply(const struct redact *redact, char *text);

#endif
