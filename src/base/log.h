/* SPDX-License-Identifier: MIT */
/* One line an event, `key=value`, to stderr or syslog. Thread-safe. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

/* `program` is borrowed for the process's life. Until called: stderr, LEVEL_INFO. */
void log_open(const char *program, bool to_syslog, enum log_level most);

/* Writes `event=NAME key=value ...`. Values given as %s may hold anything: they are escaped
 * (utf8_escape, and quotes and backslashes), and put into double quotes where the format has none
 * and they need them. So one %s is one value; other conversions are %d, %i and %u with l, ll or z.
 * Never pass a token, a key or a password. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes a line to stderr for whoever runs the program. %s as above, but without quotes. */
void log_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether a line of this level would be written. */
bool log_wants(enum log_level level);

#endif
