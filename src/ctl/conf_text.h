/* SPDX-License-Identifier: MIT */
/* The text of a configuration file, in which options are set and all else stays as it is. */
#ifndef CTL_CONF_TEXT_H
#define CTL_CONF_TEXT_H

#include <stdbool.h>

/* Whether the option is set there: it stands in its section without a comment sign. */
bool conf_text_has(const char *text, const char *section, const char *key);

/* Sets an option that is not there yet: in place of its `#key =`, or at the beginning of its
 * section, or in a new one at the end. *text is replaced. */
void conf_text_set(char **text, const char *section, const char *key, const char *value);

#endif
