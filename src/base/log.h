/* SPDX-License-Identifier: MIT */
/* One line an event, `key=value`, to stderr or syslog. Thread-safe. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

/* `program` is borrowed for the process's life. Until called: stderr, LEVEL_INFO. */
void log_open(const char *program, bool to_syslog, enum log_level most);

/* Writes `event=NAME key=value ...`; control characters become '?'. Put values that may hold
 * spaces in double quotes. Never pass a token, a key or a password. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether a line of this level would be written. */
bool log_wants(enum log_level level);

#endif
