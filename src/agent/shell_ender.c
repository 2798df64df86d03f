/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/shell_ender.h"

#include <signal.h>

#include "agent/moment.h"

/* How often to look whether all are gone: no event tells of grandchildren. */
enum { LOOK_MS = 50 };

void ender_hang_up(struct ender *ender, int number)
{
    if (ender->state != ENDER_IDLE)
        return;
    ender->state = ENDER_HANGUP;
    ender->deadline = moment_monotonic() + ender->kill_after;
    process_signal(&ender->tree.leader, number);
    process_signal(&ender->tree.leader, SIGCONT);
}

void ender_terminate(struct ender *ender)
{
    if (ender->state >= ENDER_TERMINATE)
        return;
    ender->state = ENDER_TERMINATE;
    ender->deadline = moment_monotonic() + ender->kill_after;
    proctree_signal(&ender->tree, SIGHUP);
    proctree_signal(&ender->tree, SIGCONT); /* who is stopped takes no signal */
}

bool ender_step(struct ender *ender)
{
    bool late = moment_monotonic() >= ender->deadline;

    if (ender->state < ENDER_TERMINATE)
        return ender->state == ENDER_HANGUP && late;
    if (proctree_signal(&ender->tree, late ? SIGKILL : 0) == 0)
        return true;
    if (late)
        ender->state = ENDER_KILL;
    return false;
}

int ender_timeout(const struct ender *ender)
{
    return ender->state == ENDER_IDLE ? -1 : LOOK_MS;
}
