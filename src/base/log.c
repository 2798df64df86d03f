/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

enum { LINE_SIZE = 2048 }; /* under PIPE_BUF, so that lines of several processes do not mix */

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

/* --- a line ---------------------------------------------------------------------------------- */

struct line {
    char text[LINE_SIZE];
    size_t used;
    bool plain;  /* for people: values are escaped but not quoted */
    bool quoted; /* within double quotes */
    bool cut;    /* it is full */
};

enum {
    ROOM = LINE_SIZE - 2, /* leaves room for a closing quote and the line end */
    VALUE_MAX = 1024      /* bytes of one value; the values after it need room too */
};

static void put(struct line *line, const char *text, size_t length)
{
    line->cut = line->cut || length > ROOM - line->used;
    if (line->cut)
        return;
    memcpy(line->text + line->used, text, length);
    line->used += length;
}

static void put_string(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* A line that has been cut stays as it is. */
static void put_quote(struct line *line)
{
    put(line, "\"", 1);
    if (!line->cut)
        line->quoted = !line->quoted;
}

/* The value must not end its quotes, look like another key, or move the reader's cursor. */
static void put_value(struct line *line, const char *value)
{
    char escaped[VALUE_MAX + 1];

    utf8_escape(escaped, sizeof escaped, value ? value : "(null)", line->plain ? "" : "\"\\");
    bool quote = !line->plain && !line->quoted && strpbrk(escaped, " \"\\");
    if (quote)
        put_quote(line);
    put_string(line, escaped);
    if (quote)
        put_quote(line);
}

static void put_time(struct line *line)
{
    char text[CLOCK_TEXT_SIZE];

    clock_text(text);
    put_string(line, text);
    put_string(line, " ");
}

/* --- formats --------------------------------------------------------------------------------- */

static long long signed_argument(const char *modifier, size_t length, va_list *args)
{
    if (length == 0)
        return va_arg(*args, int);
    if (length == 2)
        return va_arg(*args, long long);
    return *modifier == 'z' ? va_arg(*args, ssize_t) : va_arg(*args, long);
}

static unsigned long long unsigned_argument(const char *modifier, size_t length, va_list *args)
{
    if (length == 0)
        return va_arg(*args, unsigned);
    if (length == 2)
        return va_arg(*args, unsigned long long);
    return *modifier == 'z' ? va_arg(*args, size_t) : va_arg(*args, unsigned long);
}

/* vsnprintf cannot do this: it would mix values with the format before anybody could escape them.
 * So the formats are read here, and need only few conversions. The prototype's format attribute
 * makes the compiler check each call.
 *
 * Formats one conversion, after its '%': s, or d, i or u with l, ll or z, without flags or width.
 * The compiler has checked the argument's type. Returns the length of the conversion. */
static size_t put_argument(struct line *line, const char *conversion, va_list *args)
{
    size_t length = strspn(conversion, "lz");
    char number[32] = "%";

    switch (conversion[length]) {
    case 's':
        put_value(line, va_arg(*args, const char *));
        return length + 1;
    case 'd':
    case 'i':
        snprintf(number, sizeof number, "%lld", signed_argument(conversion, length, args));
        break;
    case 'u':
        snprintf(number, sizeof number, "%llu", unsigned_argument(conversion, length, args));
        break;
    case '%':
        break;
    default:
        abort(); /* a conversion that is not supported here: see log.h */
    }
    put_string(line, number);
    return length + 1;
}

static void put_format(struct line *line, const char *format, va_list *args)
{
    while (*format) {
        size_t literal = strcspn(format, "%\"");
        put(line, format, literal);
        format += literal;
        if (*format == '"') {
            put_quote(line);
            format++;
        } else if (*format) {
            format += 1 + put_argument(line, format + 1, args);
        }
    }
}

/* --- public ---------------------------------------------------------------------------------- */

static void write_line(struct line *line)
{
    line->text[line->used++] = '\n';
    ssize_t written = write(STDERR_FILENO, line->text, line->used);
    (void)written; /* there is nowhere left to report this */
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    struct line line = {.used = 0};
    char head[128];
    va_list args;

    if (!log_wants(level))
        return;
    if (!logger.to_syslog)
        put_time(&line);
    snprintf(head, sizeof head, "level=%s program=%s pid=%ld event=%s ", levels[level].name,
             logger.program, (long)getpid(), event);
    put_string(&line, head);
    va_start(args, format);
    put_format(&line, format, &args);
    va_end(args);
    if (line.cut && line.quoted)
        line.text[line.used++] = '"';
    if (logger.to_syslog)
        syslog(levels[level].priority, "%.*s", (int)line.used, line.text);
    else
        write_line(&line);
}

void log_say(const char *format, ...)
{
    struct line line = {.plain = true};
    va_list args;

    va_start(args, format);
    put_format(&line, format, &args);
    va_end(args);
    write_line(&line);
}
