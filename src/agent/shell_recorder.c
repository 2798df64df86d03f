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

void recorder_mark(void *context, char mark, const char *text, size_t length)
{
    struct recorder *recorder = context;
    size_t command_length;

    if (mark == 'D') {
        recorder_finish(recorder, length == 1 && *text == '0');
        return;
    }
    char *command = text_unescape(text, length, &command_length);
    recorder_start(recorder, command, command_length);
    free(command);
}
