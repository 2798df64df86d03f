/* SPDX-License-Identifier: MIT */
/* Ends a session's processes: first kindly, and what is left after a while by force. */
#ifndef AGENT_SHELL_ENDER_H
#define AGENT_SHELL_ENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/proctree.h"

enum ender_state {
    ENDER_IDLE,
    ENDER_HANGUP,    /* the shell was asked to go */
    ENDER_TERMINATE, /* everything shall go */
    ENDER_KILL       /* the same, by force */
};

struct ender {
    struct proctree tree;
    int64_t kill_after; /* ms */
    enum ender_state state;
    int64_t deadline; /* of kindness */
    int64_t look_at;  /* when to look again for whom to end */
    int pause;        /* ms from there to the next look */
};

/* Sends `number` to the shell. */
void ender_hang_up(struct ender *ender, int number);
void ender_terminate(struct ender *ender);

/* Goes on; returns true when there is nothing more to wait for: after ender_terminate, when this
 * process is `childless`; after ender_hang_up, when the shell has had its time. Call it after
 * ender_timeout ms (-1: never), and whenever a child has died. */
bool ender_step(struct ender *ender, bool childless);
int ender_timeout(const struct ender *ender);

/* Why the session has ended, as docs/agent-protocol.md has it. */
const char *ender_reason(const struct ender *ender);

#endif
