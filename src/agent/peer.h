/* SPDX-License-Identifier: MIT */
/* Identifies the process at the other end of a UNIX socket. */
#ifndef AGENT_PEER_H
#define AGENT_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "machine/proctree.h"

enum { PEER_CHILDREN = 8 };

struct peer {
    uid_t uid;
    struct process process;
    struct process children[PEER_CHILDREN]; /* up to so many of its children at that time */
    size_t child_count;
};

/* Identifies the process that connected. Returns false when it is gone, since its pid may belong to
 * another process by now; pid and uid are filled in even then, if the kernel knows them.
 *
 * The children are recorded at once: if vsay-shell dies before its open report is read, the agent
 * still knows the user's shell. */
bool peer_find(int fd, struct peer *out);

#endif
