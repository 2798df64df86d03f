/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/handover.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A message with the mark and one descriptor. */
struct parcel {
    unsigned char mark;
    struct iovec part;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct msghdr message;
};

static struct cmsghdr *prepare(struct parcel *parcel)
{
    *parcel = (struct parcel){.mark = HANDOVER_MARK};
    parcel->part = (struct iovec){&parcel->mark, 1};
    parcel->message = (struct msghdr){.msg_iov = &parcel->part,
                                      .msg_iovlen = 1,
                                      .msg_control = parcel->control,
                                      .msg_controllen = sizeof parcel->control};
    return CMSG_FIRSTHDR(&parcel->message);
}

/* Connects to the listener's own address; -1 on failure. */
static int connect_to(int listener)
{
    struct sockaddr_un address = {0};
    socklen_t length = sizeof address;

    if (getsockname(listener, (struct sockaddr *)&address, &length) ||
        address.sun_family != AF_UNIX)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, length)) {
        close(fd);
        return -1;
    }
    return fd;
}

bool handover_send(int listener, int fd)
{
    struct parcel parcel;
    struct cmsghdr *control = prepare(&parcel);
    int carrier = connect_to(listener);

    if (carrier < 0)
        return false;
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(control), &fd, sizeof fd);
    bool sent = sendmsg(carrier, &parcel.message, MSG_NOSIGNAL) == 1;
    close(carrier);
    return sent;
}

int handover_receive(int fd)
{
    struct parcel parcel;
    struct cmsghdr *control = prepare(&parcel);
    int received = -1;

    if (recvmsg(fd, &parcel.message, MSG_CMSG_CLOEXEC) != 1)
        return -1;
    if (parcel.message.msg_controllen >= CMSG_LEN(sizeof received) &&
        control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS)
        memcpy(&received, CMSG_DATA(control), sizeof received);
    return received;
}
