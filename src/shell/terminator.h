/* SPDX-License-Identifier: MIT */
/* Ends a session's processes: first kindly, and what is left after a while by force. */
#ifndef SHELL_TERMINATOR_H
#define SHELL_TERMINATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/proctree.h"

enum terminator_state {
    TERMINATOR_IDLE,
    TERMINATOR_HANGUP,    /* the shell was asked to go */
    TERMINATOR_TERMINATE, /* everything shall go */
    TERMINATOR_KILL       /* the same, by force */
};

struct terminator {
    struct proctree tree;
    int64_t kill_after; /* ms */
    enum terminator_state state;
    int64_t deadline; /* of kindness */
    int64_t look_at;  /* when to look again for whom to end */
    int pause;        /* ms from there to the next look */
};

/* Sends `number` to the shell. */
void terminator_hang_up(struct terminator *terminator, int number);
void terminator_terminate(struct terminator *terminator);

/* Goes on; returns true when there is nothing more to wait for: after terminator_terminate, when
 * this process is `childless`; after terminator_hang_up, when the shell has had its time. Call it
 * after terminator_timeout ms (-1: never), and whenever a child has died. */
bool terminator_step(struct terminator *terminator, bool childless);
int terminator_timeout(const struct terminator *terminator);

/* Why the session has ended, as docs/agent-protocol.md has it. */
const char *terminator_reason(const struct terminator *terminator);

#endif
