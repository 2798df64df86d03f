/* SPDX-License-Identifier: MIT */
/* Who is at the other end of a UNIX socket. */
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
    struct process children[PEER_CHILDREN]; /* some of it, that it had when it was looked at */
    size_t child_count;
};

/* The process that has connected. False when it has gone, or another may have its number by now;
 * the number and the uid are filled in all the same if the kernel knows them. */
bool peer_find(int fd, struct peer *out);

#endif
