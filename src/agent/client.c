/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/client.h"

#include <errno.h>
#include <json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/session.h"
#include "base/clock.h"
#include "base/xalloc.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* --- who it is ------------------------------------------------------------------------------- */

/* The check for kernels before 6.5: the process that has the pid now is at least the same user's.
 */
static bool same_user(pid_t pid, uid_t uid)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/proc/%ld", (long)pid);
    return stat(path, &st) == 0 && st.st_uid == uid;
}

/* Returns whether the peer is alive, so that its pid was never reused. A user may pass a connection
 * to a child, exit, and wait until a root process gets the pid. The agent would then take that
 * process for the session's, and kill it when the session must end. */
static bool still_there(int fd, const struct ucred *peer)
{
    int pidfd = -1;
    socklen_t length = sizeof pidfd;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) != 0)
        return errno == ENOPROTOOPT && same_user(peer->pid, peer->uid);
    struct pollfd exited = {.fd = pidfd, .events = POLLIN};
    bool there = poll(&exited, 1, 0) == 0;
    close(pidfd);
    return there;
}

bool client_identify(int fd, struct peer *out)
{
    struct ucred peer;
    socklen_t length = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        return false;
    *out = (struct peer){.uid = peer.uid, .process.pid = peer.pid};
    struct process found;
    if (!process_find(peer.pid, &found))
        return false;
    out->child_count = process_children(peer.pid, out->children, PEER_CHILDREN);
    /* last: what was read above belongs to the peer only if the peer was alive until now */
    if (!still_there(fd, &peer))
        return false;
    out->process = found;
    return true;
}

struct client *client_new(int fd, const struct peer *peer)
{
    struct client *client = xcalloc(1, sizeof *client);

    client->fd = fd;
    client->peer = *peer;
    client->connected_at = clock_ms();
    client->replies = json_object_new_array();
    return client;
}

void client_detach(struct client *client)
{
    if (client->session)
        client->session->client = NULL;
    client->session = NULL;
}

void client_close(struct client *client)
{
    client_detach(client);
    close(client->fd);
    json_object_put(client->replies);
    free(client);
}
