/* SPDX-License-Identifier: MIT */
/* Finds and signals the processes of a terminal session, through /proc.
 *
 * A pid alone is not enough: the process may have exited, and a stranger's may have got its pid. So
 * a process is named by its pid and start time, and before a signal is sent it is pinned by a pidfd
 * and compared once more.
 *
 * A session is a process tree, not a process group or the kernel's terminal session: a shell with
 * job control puts each job into a group of its own, and setsid leaves the session. The tree below
 * vsay-shell contains them all, because vsay-shell is a subreaper. */
#ifndef MACHINE_PROCTREE_H
#define MACHINE_PROCTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid;                /* 0: none */
    unsigned long long start; /* clock ticks after boot */
};

/* The processes of a session: all descendants of `shell` (vsay-shell, which itself is not one of
 * them), and all members of the kernel's session that `leader` (the user's shell) leads. The second
 * rule is for an agent whose vsay-shell has died, when the tree has fallen apart. Once the leader
 * is gone, its pid may name another session: then only processes of `uid` count, and none unless
 * `leader_seen`. */
struct proctree {
    struct process shell, leader;
    uid_t uid;
    bool leader_seen; /* this program has seen the leader alive */
};

/* Names the living process `pid`. Returns false when there is none, or it cannot be seen. A zombie
 * does not live, unless it has living threads. */
bool process_find(pid_t pid, struct process *out);
/* Returns whether the process lives. Also true when that cannot be seen: the caller must not take
 * a hidden process for dead. */
bool process_alive(const struct process *process);
/* Returns whether the process lives and can be seen. */
bool process_seen(const struct process *process);
/* Signals the process, and never a stranger that has its pid by now: a pidfd pins it while it is
 * compared. Returns false when it is gone or cannot be seen; errno is EPERM when we may not signal
 * it. */
bool process_signal(const struct process *process, int number);
/* Returns whether `ancestor` is an ancestor of `pid`. */
bool process_descends(pid_t pid, pid_t ancestor);
/* Names up to `room` children of `pid`; returns their number. */
size_t process_children(pid_t pid, struct process *out, size_t room);

/* Sends the signal `number` (0: none) to all processes of the session. Returns how many there are,
 * plus one if some may be hidden. Processes may fork meanwhile, so repeat it until it returns 0. */
size_t proctree_signal(const struct proctree *tree, int number);

/* Returns whether it is certain that no process of the session is left: vsay-shell lives and has no
 * descendants. After its death this cannot be known, because a process that has called setsid(2)
 * and lost its parents looks like any other. */
bool proctree_gone(const struct proctree *tree);

#endif
