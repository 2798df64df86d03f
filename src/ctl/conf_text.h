/* SPDX-License-Identifier: MIT */
/* Edits the text of a configuration file: sets options, and leaves comments and layout as they are.
 * The file belongs to its operator. */
#ifndef CTL_CONF_TEXT_H
#define CTL_CONF_TEXT_H

#include <stdbool.h>

/* Whether the option is set: it is in its section, and not commented out. */
bool conf_text_has(const char *text, const char *section, const char *key);

/* Sets an option that is not set yet: replaces its `#key =`, or adds it at the beginning of its
 * section, or adds a new section at the end. Replaces *text. */
void conf_text_set(char **text, const char *section, const char *key, const char *value);

#endif
