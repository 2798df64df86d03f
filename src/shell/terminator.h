/* SPDX-License-Identifier: MIT */
/* Ends a session's processes: first with SIGHUP, and after shell.kill_after with SIGKILL.
 *
 * It signals the whole process tree below vsay-shell, not a process group or a terminal session:
 * setsid and nohup leave those, but no process leaves the tree, because vsay-shell is a child
 * subreaper and inherits orphans. When vsay-shell has no child left, the session is certainly
 * over. */
#ifndef SHELL_TERMINATOR_H
#define SHELL_TERMINATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/proctree.h"

enum terminator_state {
    TERMINATOR_IDLE,
    TERMINATOR_HANGUP,    /* the shell was signalled, because its terminal is gone */
    TERMINATOR_TERMINATE, /* the whole session was signalled with SIGHUP */
    TERMINATOR_KILL       /* the whole session is being killed */
};

struct terminator {
    struct proctree tree;
    int64_t kill_after; /* ms */
    enum terminator_state state;
    int64_t deadline; /* clock_ms at which SIGKILL follows */
    int64_t look_at;  /* clock_ms of the next look at the process table */
    int pause;        /* ms between that and the one after it */
};

/* Sends the signal `number` to the shell only. */
void terminator_hang_up(struct terminator *terminator, int number);

/* Begins to end the whole session. */
void terminator_terminate(struct terminator *terminator);

/* Takes the next step. Call it when terminator_timeout ms (-1: never) have passed, and whenever a
 * child has died. Returns true when there is nothing more to wait for: after terminator_terminate
 * when this process is `childless`, after terminator_hang_up when the deadline has passed. */
bool terminator_step(struct terminator *terminator, bool childless);
int terminator_timeout(const struct terminator *terminator);

/* Returns the reason of the session's end; docs/agent-protocol.md lists them. */
const char *terminator_reason(const struct terminator *terminator);

#endif
