/* SPDX-License-Identifier: MIT */
/* A connection of vsay-shell, as vsay-agent sees it. */
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
    struct peer peer;        /* vsay-shell; its uid is as the kernel says */
    struct session *session; /* its session, once it has opened one; borrowed */
    int64_t connected_at;
    size_t poll_index;           /* in the poll array */
    struct json_object *replies; /* array: due when what was reported is durable */
    bool done;                   /* to be closed */
    TAILQ_ENTRY(client) next;
};

#endif
