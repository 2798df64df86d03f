/* SPDX-License-Identifier: MIT */
/* Whether the user's shell still marks its commands, seen from outside: it may have been replaced
 * by another program (exec), or have lost the integration, whose variables are the user's.
 *
 * A shell that reads a line while a command should be running has lost it, unless that command
 * reads lines itself, as `read -e` does. So a few lines must have been entered, without a mark, at
 * a terminal that the shell's line editor has set and that no other process uses. A shell without
 * line editor is not seen to lose it: it looks the same at a prompt and in `read`. */
#ifndef SHELL_MARKS_H
#define SHELL_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "machine/proctree.h"
#include "shell/image.h"

struct marks {
    bool expected; /* or else nothing is looked for */
    struct process shell;
    int pty;
    struct image image;
    int64_t look_at;      /* 0, or when to look again; clock_ms */
    bool at_prompt;       /* by the last mark */
    bool suspect;         /* the last look found a prompt without its mark */
    bool named;           /* the command names the variables that make marks */
    int lines;            /* entered since the last mark, in the shell's line editor */
    unsigned long faults; /* of the shell's children, at the first of these */
};

/* Begins to expect marks of `shell`, which will run the program `path` on `pty`. */
void marks_expect(struct marks *marks, const char *path, const struct process *shell, int pty);

/* A mark has come; a C with its text. */
void marks_mark(struct marks *marks, char mark, const char *text, size_t length);
/* Before the user's input is passed. */
void marks_input(struct marks *marks, const char *bytes, size_t length);
/* There was output at `now`. */
void marks_output(struct marks *marks, int64_t now);

/* How long marks_look can wait (ms), -1: for output. */
int marks_timeout(const struct marks *marks);

/* Why there are no more marks, or NULL. The caller frees it; it may have any characters. */
char *marks_look(struct marks *marks, int64_t now);

#endif
