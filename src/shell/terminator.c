/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/terminator.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

/* Pauses between two looks at the process table. They grow, because what is left may belong to
 * another user; then only the agent can kill it. */
enum { PAUSE_MIN_MS = 50, PAUSE_MAX_MS = 1000 };

/* After this time SIGHUP is repeated, for processes that were reparented while the process table
 * was read. */
enum { SECOND_HANGUP_MS = 100 };

/* Only the shell is signalled, as by the kernel when a terminal is closed: jobs that were started
 * with nohup are meant to outlive it. SIGCONT follows each signal, since a stopped process cannot
 * act on one. */
void terminator_hang_up(struct terminator *terminator, int number)
{
    if (terminator->state != TERMINATOR_IDLE)
        return;
    terminator->state = TERMINATOR_HANGUP;
    terminator->deadline = clock_ms() + terminator->kill_after;
    process_signal(&terminator->tree.leader, number);
    process_signal(&terminator->tree.leader, SIGCONT);
}

static void hang_up_all(struct terminator *terminator, int64_t look_at)
{
    proctree_signal(&terminator->tree, SIGHUP);
    proctree_signal(&terminator->tree, SIGCONT);
    terminator->look_at = look_at;
}

void terminator_terminate(struct terminator *terminator)
{
    if (terminator->state >= TERMINATOR_TERMINATE)
        return;
    terminator->state = TERMINATOR_TERMINATE;
    terminator->deadline = clock_ms() + terminator->kill_after;
    hang_up_all(terminator, clock_ms() + SECOND_HANGUP_MS);
}

/* Kills our children with their process groups. A process that forks and exits in a loop has moved
 * on each time the process table has been read. But it becomes our child each time, and a signal to
 * a process group reaches all its members at once. */
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

static void kill_all(struct terminator *terminator)
{
    int64_t now = clock_ms();

    kill_children();
    if (now < terminator->look_at)
        return;
    proctree_signal(&terminator->tree, SIGKILL);
    terminator->look_at = now + terminator->pause;
    terminator->pause = 2 * terminator->pause < PAUSE_MAX_MS ? 2 * terminator->pause : PAUSE_MAX_MS;
}

/* `childless` is what the kernel says (waitpid), so it is the proof that the session is over; the
 * process table is only where to find what is left to kill. */
bool terminator_step(struct terminator *terminator, bool childless)
{
    bool late = clock_ms() >= terminator->deadline;

    if (terminator->state < TERMINATOR_TERMINATE)
        return terminator->state == TERMINATOR_HANGUP && late;
    if (childless)
        return true;
    if (late && terminator->state == TERMINATOR_TERMINATE) {
        terminator->state = TERMINATOR_KILL;
        terminator->pause = PAUSE_MIN_MS;
    } else if (terminator->state == TERMINATOR_TERMINATE && clock_ms() >= terminator->look_at) {
        hang_up_all(terminator, terminator->deadline);
    }
    if (terminator->state == TERMINATOR_KILL)
        kill_all(terminator);
    return false;
}

int terminator_timeout(const struct terminator *terminator)
{
    int64_t at =
        terminator->state == TERMINATOR_HANGUP ? terminator->deadline : terminator->look_at;
    int64_t left = at - clock_ms();

    if (terminator->state == TERMINATOR_IDLE)
        return -1;
    return left > 0 ? (int)left : 0;
}

const char *terminator_reason(const struct terminator *terminator)
{
    static const char *const reasons[] = {
        [TERMINATOR_IDLE] = "exited",
        [TERMINATOR_HANGUP] = "hangup",
        [TERMINATOR_TERMINATE] = "terminated",
        [TERMINATOR_KILL] = "killed",
    };

    return reasons[terminator->state];
}
