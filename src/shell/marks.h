/* SPDX-License-Identifier: MIT */
/* Watches from outside whether the user's shell still marks its commands. It stops when the user
 * replaces it by another program (exec), or resets the variables that make the marks. The session
 * then says why its commands are no longer recorded.
 *
 * A shell that reads a line while a command should be running has lost its marks, unless that
 * command reads lines itself, as `read -e` does. So the conclusion needs several lines, entered
 * without a mark at a terminal that is set up by the shell's line editor and used by no other
 * process. For a shell without line editing no conclusion is possible: it looks the same at a
 * prompt and in `read`. */
#ifndef SHELL_MARKS_H
#define SHELL_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "machine/proctree.h"
#include "shell/image.h"

struct marks {
    bool expected; /* false: nothing is checked */
    struct process shell;
    int pty;
    struct image image;
    int64_t look_at;      /* clock_ms of the next check; 0: none is due */
    bool at_prompt;       /* the last mark was that of a prompt */
    bool suspect;         /* the last check found a prompt without its mark */
    bool named;           /* the command mentions the variables that make marks */
    int lines;            /* lines entered in the line editor since the last mark */
    unsigned long faults; /* the shell's child_faults at the first of these lines */
};

/* Starts to expect marks from `shell`, which will run the program `path` on `pty`. */
void marks_expect(struct marks *marks, const char *path, const struct process *shell, int pty);

/* Call for each mark; `text` matters for a C. */
void marks_mark(struct marks *marks, char mark, const char *text, size_t length);
/* Call before input is passed to the shell. */
void marks_input(struct marks *marks, const char *bytes, size_t length);
/* Call after output at the time `now`. */
void marks_output(struct marks *marks, int64_t now);

/* Returns the ms until marks_look is due; -1: not before more output. */
int marks_timeout(const struct marks *marks);

/* Returns why there will be no more marks, or NULL. The caller frees the text, which may contain
 * any bytes. */
char *marks_look(struct marks *marks, int64_t now);

#endif
