/* SPDX-License-Identifier: MIT */
/* Who is at the other end of a UNIX socket. */
#ifndef AGENT_PEER_H
#define AGENT_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/proctree.h"

struct peer {
    uid_t uid;
    struct process process;
};

/* The process that has connected. False when it has gone, or another may have its number by now;
 * the number and the uid are filled in all the same if the kernel knows them. */
bool peer_find(int fd, struct peer *out);

#endif
