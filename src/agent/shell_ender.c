/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/shell_ender.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/moment.h"

/* Pauses between two looks at the process table: they grow, since what is left may be another
 * user's, and then it is the agent that kills it. */
enum { PAUSE_MIN_MS = 50, PAUSE_MAX_MS = 1000 };

/* Until the hangup is repeated, for who changed its parent while the process table was read. */
enum { SECOND_HANGUP_MS = 100 };

void ender_hang_up(struct ender *ender, int number)
{
    if (ender->state != ENDER_IDLE)
        return;
    ender->state = ENDER_HANGUP;
    ender->deadline = moment_monotonic() + ender->kill_after;
    process_signal(&ender->tree.leader, number);
    process_signal(&ender->tree.leader, SIGCONT);
}

static void hang_up_all(struct ender *ender, int64_t look_at)
{
    proctree_signal(&ender->tree, SIGHUP);
    proctree_signal(&ender->tree, SIGCONT); /* who is stopped takes no signal */
    ender->look_at = look_at;
}

void ender_terminate(struct ender *ender)
{
    if (ender->state >= ENDER_TERMINATE)
        return;
    ender->state = ENDER_TERMINATE;
    ender->deadline = moment_monotonic() + ender->kill_after;
    hang_up_all(ender, moment_monotonic() + SECOND_HANGUP_MS);
}

/* Who forks and exits again and again is gone whenever the process table has been read. But each
 * time it becomes our child, and no fork outruns a signal to a whole process group. */
static void kill_children(void)
{
    FILE *children = fopen("/proc/thread-self/children", "re");
    int pid;

    while (children && fscanf(children, "%d", &pid) == 1) {
        pid_t group = getpgid(pid);
        if (group > 1 && group != getpgrp())
            killpg(group, SIGKILL);
        kill(pid, SIGKILL);
    }
    if (children)
        fclose(children);
}

static void kill_all(struct ender *ender)
{
    int64_t now = moment_monotonic();

    kill_children();
    if (now < ender->look_at)
        return;
    proctree_signal(&ender->tree, SIGKILL);
    ender->look_at = now + ender->pause;
    ender->pause = 2 * ender->pause < PAUSE_MAX_MS ? 2 * ender->pause : PAUSE_MAX_MS;
}

bool ender_step(struct ender *ender, bool childless)
{
    bool late = moment_monotonic() >= ender->deadline;

    if (ender->state < ENDER_TERMINATE)
        return ender->state == ENDER_HANGUP && late;
    if (childless)
        return true;
    if (late && ender->state == ENDER_TERMINATE) {
        ender->state = ENDER_KILL;
        ender->pause = PAUSE_MIN_MS;
    } else if (ender->state == ENDER_TERMINATE && moment_monotonic() >= ender->look_at) {
        hang_up_all(ender, ender->deadline);
    }
    if (ender->state == ENDER_KILL)
        kill_all(ender);
    return false;
}

int ender_timeout(const struct ender *ender)
{
    int64_t at = ender->state == ENDER_HANGUP ? ender->deadline : ender->look_at;
    int64_t left = at - moment_monotonic();

    if (ender->state == ENDER_IDLE)
        return -1;
    return left > 0 ? (int)left : 0;
}

const char *ender_reason(const struct ender *ender)
{
    static const char *const reasons[] = {
        [ENDER_IDLE] = "exited",
        [ENDER_HANGUP] = "hangup",
        [ENDER_TERMINATE] = "terminated",
        [ENDER_KILL] = "killed",
    };

    return reasons[ender->state];
}
