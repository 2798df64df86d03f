/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/recorder.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"

/* The marks of bash and zsh arrive in these orders:
 *     C ... D            a command whose text is known when it starts
 *     C ... C ... D      two commands without a marked prompt between them
 *     B ... C D          at the process limit: the text follows when the command has ended
 *     B ... B, B ... D   the same, but the text has been lost
 * So a C also ends the command before it, with the status that it carries. */

void recorder_end(struct recorder *recorder)
{
    free(recorder->command);
    free(recorder->timestamp);
    free(recorder->begun);
    recorder->command = recorder->timestamp = recorder->begun = NULL;
}

static char *text_of_now(void)
{
    char now[CLOCK_TEXT_SIZE];

    clock_text(now);
    return xstrdup(now);
}

void recorder_start(struct recorder *recorder, const char *command, size_t length)
{
    char *timestamp = recorder->begun ? recorder->begun : text_of_now();

    recorder->begun = NULL;
    recorder_end(recorder);
    char *text = redact_command(recorder->redact, command, length);
    if (!text[strspn(text, " \t\n")]) {
        free(text);
        free(timestamp);
        return;
    }
    recorder->command = text;
    recorder->timestamp = timestamp;
    recorder->seq++;
    agent_client_command(recorder->client, recorder->seq, text, timestamp, SUCCESS_UNKNOWN, -1);
}

void recorder_finish(struct recorder *recorder, bool success, int exit_code)
{
    if (!recorder->command)
        return;
    agent_client_command(recorder->client, recorder->seq, recorder->command, recorder->timestamp,
                         success ? SUCCESS_YES : SUCCESS_NO, exit_code);
    recorder_end(recorder);
}

/* Parses a mark's status. Returns -1 for a number that no process can exit with; functions in zsh
 * may return any number. */
static int exit_code_of(const char *status, size_t length)
{
    int code = 0;

    if (length < 1 || length > 3)
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (status[i] < '0' || status[i] > '9')
            return -1;
        code = 10 * code + (status[i] - '0');
    }
    return code <= 255 ? code : -1;
}

/* Reports the result of the running command, if any. A prompt also follows an empty line. */
static void finish_with(struct recorder *recorder, const char *status, size_t length)
{
    int code = exit_code_of(status, length);

    recorder_finish(recorder, code == 0, code);
}

/* Finds the command in a history entry as bash prints it, "  12  command\n". Undoes, in place, the
 * terminal's translation of LF to CR LF. Returns where the command begins, and sets *length. */
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

/* Handles "STATUS;ENTRY": a command is about to run, after one that ended with STATUS. ENTRY is
 * empty when the command is not in the history. */
static void take_entry(struct recorder *recorder, const char *text, size_t length)
{
    const char *semicolon = memchr(text, ';', length);
    char *line = xcalloc(1, length + 1);

    if (semicolon) {
        finish_with(recorder, text, (size_t)(semicolon - text));
        size_t left = length - (size_t)(semicolon + 1 - text);
        memcpy(line, semicolon + 1, left);
        const char *command = history_entry(line, &left);
        /* a leading blank asks for no record, whatever HISTCONTROL says */
        bool kept_out = *command == ' ' || *command == '\t';
        if (left || !recorder->begun) /* otherwise its text is lost */
            recorder_start(recorder, command, kept_out ? 0 : left);
    }
    free(line);
}

/* Gives up a command whose text has not arrived by the next mark; it never will. It takes a number
 * all the same, and is counted as lost: the record must not look complete. */
static void give_up_unnamed(struct recorder *recorder)
{
    if (!recorder->begun)
        return;
    recorder_end(recorder);
    recorder->seq++;
    agent_client_count_lost(recorder->client);
}

/* Notes when a command begins. vsay sorts by that time, so it must not be that of the late C. */
static void begin_unnamed(struct recorder *recorder, const char *status, size_t length)
{
    finish_with(recorder, status, length);
    give_up_unnamed(recorder);
    recorder->begun = text_of_now();
}

void recorder_mark(void *context, char mark, const char *text, size_t length)
{
    struct recorder *recorder = context;

    if (mark == 'B')
        begin_unnamed(recorder, text, length);
    else if (mark == 'C')
        take_entry(recorder, text, length);
    else if (mark == 'D') {
        finish_with(recorder, text, length);
        give_up_unnamed(recorder);
    }
}
