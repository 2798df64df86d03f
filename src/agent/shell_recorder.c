/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/shell_recorder.h"

#include <stdlib.h>
#include <string.h>

#include "agent/moment.h"
#include "agent/shell_text.h"
#include "base/xalloc.h"

void recorder_end(struct recorder *recorder)
{
    free(recorder->command);
    free(recorder->timestamp);
    recorder->command = recorder->timestamp = NULL;
}

void recorder_start(struct recorder *recorder, const char *command, size_t length)
{
    char now[MOMENT_SIZE];

    recorder_end(recorder);
    char *text = mask_apply(recorder->mask, text_clean(command, length));
    text_cut(text);
    if (!text[strspn(text, " \t\n")]) {
        free(text);
        return;
    }
    moment_text(now);
    recorder->command = text;
    recorder->timestamp = xstrdup(now);
    recorder->seq++;
    journal_command(recorder->journal, recorder->seq, text, now, SUCCESS_UNKNOWN);
}

void recorder_finish(struct recorder *recorder, bool success)
{
    if (!recorder->command)
        return;
    journal_command(recorder->journal, recorder->seq, recorder->command, recorder->timestamp,
                    success ? SUCCESS_YES : SUCCESS_NO);
    recorder_end(recorder);
}

/* Of bash's history, as the builtin prints it: "  12  command\n". The terminal may have made CR LF
 * of line feeds. In place; returns where the command begins. */
static char *history_entry(char *line, size_t *length)
{
    size_t start = strspn(line, " ");
    char *end = line;

    start += strspn(line + start, "0123456789");
    start += strspn(line + start, "* ") >= 2 ? 2 : 0;
    for (size_t at = 0; at < *length; at++) {
        if (line[at] != '\r' || line[at + 1] != '\n')
            *end++ = line[at];
    }
    if (end > line && end[-1] == '\n')
        end--;
    *length = (size_t)(end - line) > start ? (size_t)(end - line) - start : 0;
    return line + start;
}

/* "STATUS;ENTRY": a command is about to run, after one that ended with STATUS. It has no entry when
 * the history does not have it. */
static void take_entry(struct recorder *recorder, const char *text, size_t length)
{
    const char *semicolon = memchr(text, ';', length);
    char *line = xcalloc(1, length + 1);

    if (semicolon) {
        recorder_finish(recorder, semicolon == text + 1 && *text == '0');
        size_t left = length - (size_t)(semicolon + 1 - text);
        memcpy(line, semicolon + 1, left);
        const char *command = history_entry(line, &left);
        if (*command != ' ' && *command != '\t')
            recorder_start(recorder, command, left);
    }
    free(line);
}

void recorder_mark(void *context, char mark, const char *text, size_t length)
{
    struct recorder *recorder = context;

    if (mark == 'C')
        take_entry(recorder, text, length);
    else if (mark == 'D')
        recorder_finish(recorder, length == 1 && *text == '0');
}
