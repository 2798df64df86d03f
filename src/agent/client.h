/* SPDX-License-Identifier: MIT */
/* The agent's side of a connection from a vsay-shell, and which process that is. Owned by server.c.
 *
 * Any user may connect, and may claim anything in a packet. Only what the kernel says of the other
 * end counts: which user and which process connected, and which children that process had. */
#ifndef AGENT_CLIENT_H
#define AGENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "machine/proctree.h"

struct session;
struct json_object;

enum { PEER_CHILDREN = 8 };

/* The process at the other end. */
struct peer {
    uid_t uid;
    struct process process;
    struct process children[PEER_CHILDREN]; /* up to so many of its children at that time */
    size_t child_count;
};

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

/* Identifies the process that connected. Returns false when it is gone, since its pid may belong to
 * another process by now; pid and uid are filled in even then, if the kernel knows them.
 *
 * The children are recorded at once: if vsay-shell dies before its open report is read, the agent
 * still knows the user's shell. */
bool client_identify(int fd, struct peer *out);

/* Takes ownership of `fd`. */
struct client *client_new(int fd, const struct peer *peer);
void client_close(struct client *client);

/* Parts the connection from its session, which goes on without it. */
void client_detach(struct client *client);

#endif
