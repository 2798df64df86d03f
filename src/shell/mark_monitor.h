/* SPDX-License-Identifier: MIT */
/* Monitors from outside whether the user's shell still marks its commands. A shell stops doing so
 * when the user replaces it by another program (exec), or resets the variables that make the marks.
 * The session then says why its commands are no longer recorded.
 *
 * A shell that reads a line while a command should be running has lost its marks, unless that
 * command reads lines itself, as `read -e` does. So the conclusion needs several lines, entered
 * without a mark at a terminal that is set up by the shell's line editor and used by no other
 * process. For a shell without line editing no conclusion is possible: it looks the same at a
 * prompt and in `read`. */
#ifndef SHELL_MARK_MONITOR_H
#define SHELL_MARK_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "machine/proctree.h"

/* A process image: the program that a process runs, as an exec of it has started it. */
struct process_image {
    dev_t device;
    ino_t inode;                /* 0: none */
    unsigned long stack;        /* the stack's address, random after each exec; 0: not known */
    unsigned long child_faults; /* page faults of children it has waited for; not compared */
};

struct mark_monitor {
    bool active; /* false: nothing is checked */
    struct process shell;
    int pty;
    struct process_image image;
    int64_t check_at;     /* clock_ms of the next check; 0: none is due */
    bool at_prompt;       /* the last mark was that of a prompt */
    bool suspect;         /* the last check found a prompt without its mark */
    bool named;           /* the command mentions the variables that make marks */
    int lines;            /* lines entered in the line editor since the last mark */
    unsigned long faults; /* the shell's child_faults at the first of these lines */
};

/* Starts to expect marks from `shell`, which will run the program `path` on `pty`. */
void mark_monitor_start(struct mark_monitor *monitor, const char *path, const struct process *shell,
                        int pty);

/* Ends the checks. Call it when the shell has exited or its terminal is gone. */
void mark_monitor_stop(struct mark_monitor *monitor);

/* Call for each mark; `text` matters for a C. */
void mark_monitor_mark(struct mark_monitor *monitor, char mark, const char *text, size_t length);
/* Call before input is passed to the shell. */
void mark_monitor_input(struct mark_monitor *monitor, const char *bytes, size_t length);
/* Call after output at the time `now`. */
void mark_monitor_output(struct mark_monitor *monitor, int64_t now);

/* Returns the ms until mark_monitor_check is due; -1: not before more output. */
int mark_monitor_timeout(const struct mark_monitor *monitor);

/* Returns why there will be no more marks, or NULL. The caller frees the text, which may contain
 * any bytes. */
char *mark_monitor_check(struct mark_monitor *monitor, int64_t now);

#endif
