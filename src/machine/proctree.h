/* SPDX-License-Identifier: MIT */
/* Finds and signals the processes of a terminal session, through /proc. A process id alone may
 * belong to a stranger by now; together with the time of its start it names one process of this
 * boot. */
#ifndef MACHINE_PROCTREE_H
#define MACHINE_PROCTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid;                /* 0: none */
    unsigned long long start; /* clock ticks after the boot */
};

/* Whose processes are a session's: everything that descends from `shell` (vsay-shell, not itself
 * one of them), and, for an agent whose vsay-shell has died, everything in the kernel's session
 * that `leader` (the user's shell) leads. When the leader is gone its number may be that of another
 * session by now: then only processes of `uid` count, and none unless `leader_seen`. */
struct proctree {
    struct process shell, leader;
    uid_t uid;
    bool leader_seen; /* alive, by this program */
};

/* Names the living process `pid`; false when there is none, or it cannot be seen. A zombie does not
 * live, unless it has threads that do. */
bool process_find(pid_t pid, struct process *out);
/* True also when it cannot be seen whether it is gone. */
bool process_alive(const struct process *process);
/* Whether it lives and can be seen. */
bool process_seen(const struct process *process);
/* Never reaches a stranger that has the number by now: the process is held while it is looked at.
 * False when it is gone or cannot be seen, and with errno EPERM when it may not be signalled. */
bool process_signal(const struct process *process, int number);
/* Whether `ancestor` is among the ancestors of `pid`. */
bool process_descends(pid_t pid, pid_t ancestor);
/* Names up to `room` of the children of `pid`; returns how many. */
size_t process_children(pid_t pid, struct process *out, size_t room);

/* Sends signal `number` to all the session's processes, 0 for none; returns how many there are,
 * with one more when there may be others that cannot be seen now. They may fork meanwhile: to be
 * sure, repeat until it returns 0. */
size_t proctree_signal(const struct proctree *tree, int number);

/* Whether it is certain that none of the session's processes is left: vsay-shell lives, and nothing
 * is below it. After its death this cannot be known: what has left the leader's session with
 * setsid(2) and lost its parents cannot be told from a stranger. */
bool proctree_gone(const struct proctree *tree);

#endif
