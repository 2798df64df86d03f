/* SPDX-License-Identifier: MIT */
/* Finds and signals the processes of a terminal session, through /proc. A process id alone may
 * belong to a stranger by now; together with the time of its start it names one process of this
 * boot. */
#ifndef AGENT_PROCTREE_H
#define AGENT_PROCTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid;                /* 0: none */
    unsigned long long start; /* clock ticks after the boot */
};

/* Whose processes are a session's: everything that descends from `shell` (vsay-shell, not itself
 * one of them), and `leader` (the user's shell) with everything in the kernel's session that it
 * leads. */
struct proctree {
    struct process shell, leader;
};

/* Names the living process `pid`; false when there is none. A zombie does not live. */
bool process_find(pid_t pid, struct process *out);
bool process_alive(const struct process *process);
/* False when it is gone, and with errno EPERM when it lives and may not be signalled. */
bool process_signal(const struct process *process, int number);
/* Whether `ancestor` is among the ancestors of `pid`. */
bool process_descends(pid_t pid, pid_t ancestor);

/* Sends signal `number` to all the session's processes, 0 for none; returns how many there are.
 * They may fork meanwhile: to be sure, repeat until it returns 0. */
size_t proctree_signal(const struct proctree *tree, int number);

#endif
