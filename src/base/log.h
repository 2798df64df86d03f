/* SPDX-License-Identifier: MIT */
/* A structured log: one line of `key=value` pairs per event, to stderr or syslog. Thread-safe.
 *
 * The pairs (logfmt) are read by people with grep and by collectors without a pattern for each
 * message. Each line is one write(2): several workers may share one stderr without locks.
 *
 * Values come from anywhere, also from attackers. The formatter therefore escapes them itself, so
 * that no caller can forget to, and a value can neither forge a line or a key nor control a
 * terminal. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

/* `program` is borrowed for the life of the process. Before this call: stderr, LEVEL_INFO. */
void log_open(const char *program, bool to_syslog, enum log_level most);

/* Writes `event=NAME key=value ...`. A %s is one value: it is escaped (utf8_escape, quotes and
 * backslashes) and quoted if it needs quotes that the format lacks. Other conversions are %d, %i
 * and %u, with l, ll or z. Never pass a token, a key or a password. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes a line to stderr for the person who runs the program. A %s is escaped, but not quoted. */
void log_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns whether a line of this level would be written. */
bool log_wants(enum log_level level);

#endif
