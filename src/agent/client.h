/* SPDX-License-Identifier: MIT */
/* The agent's side of a connection from a vsay-shell. Owned by server.c. */
#ifndef AGENT_CLIENT_H
#define AGENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "agent/peer.h"

struct session;
struct json_object;

struct client {
    int fd;
    struct peer peer;        /* vsay-shell, identified by the kernel */
    struct session *session; /* NULL until its open report; borrowed */
    int64_t connected_at;
    size_t poll_index;           /* in server.polled */
    struct json_object *replies; /* array; sent after the next sync */
    bool done;                   /* close it at the end of this turn */
    TAILQ_ENTRY(client) next;
};

#endif
