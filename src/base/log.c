/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 2048 }; /* under PIPE_BUF, so that lines of several processes never mix */

static const struct {
    const char *name;
    int priority;
} levels[] = {
    [LEVEL_ERROR] = {"error", LOG_ERR},
    [LEVEL_WARNING] = {"warning", LOG_WARNING},
    [LEVEL_INFO] = {"info", LOG_INFO},
    [LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};

static struct {
    const char *program;
    bool to_syslog;
    enum log_level most;
} logger = {"vsay", false, LEVEL_INFO};

void log_open(const char *program, bool to_syslog, enum log_level most)
{
    logger.program = program;
    logger.to_syslog = to_syslog;
    logger.most = most;
    if (to_syslog)
        openlog(program, LOG_PID, LOG_DAEMON);
}

bool log_wants(enum log_level level)
{
    return level <= logger.most;
}

/* snprintf's length, limited to what fits: a longer line is cut. */
static size_t fitted(int length, size_t room)
{
    if (length < 0)
        return 0;
    return (size_t)length < room ? (size_t)length : room - 1;
}

static size_t put_time(char *line, size_t room)
{
    struct timespec now;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t length = strftime(line, room, "%Y-%m-%dT%H:%M:%S", &tm);
    return length +
           fitted(snprintf(line + length, room - length, ".%03ldZ ", now.tv_nsec / 1000000),
                  room - length);
}

static void mask_controls(char *line)
{
    for (unsigned char *c = (unsigned char *)line; *c; c++) {
        if (*c < ' ' || *c == 0x7f)
            *c = '?';
    }
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    char line[LINE_SIZE];
    const size_t room = sizeof line - 1; /* the last byte is kept for the line end */
    va_list args;

    if (!log_wants(level))
        return;
    size_t length = logger.to_syslog ? 0 : put_time(line, room);
    length += fitted(snprintf(line + length, room - length, "level=%s program=%s pid=%ld event=%s ",
                              levels[level].name, logger.program, (long)getpid(), event),
                     room - length);
    va_start(args, format);
    length += fitted(vsnprintf(line + length, room - length, format, args), room - length);
    va_end(args);
    mask_controls(line);

    if (logger.to_syslog) {
        syslog(levels[level].priority, "%s", line);
        return;
    }
    line[length++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, length);
    (void)written; /* there is no one left to tell */
}
