/* SPDX-License-Identifier: MIT */
/* Hands connections from a worker that stops to the one that takes its place. A web server may send
 * a request on a kept connection at any moment, so no moment is a good one to close it. Both
 * workers listen on the same UNIX socket: the connection travels (SCM_RIGHTS, unix(7)) in one to
 * that listener, and waits in its queue if nobody accepts yet. */
#ifndef API_HANDOVER_H
#define API_HANDOVER_H

#include <stdbool.h>

/* The byte that such a connection begins with; no FastCGI record does. */
enum { HANDOVER_MARK = 0xfd };

/* Hands a copy of `fd` over; false when the listener's socket cannot be reached (another user's,
 * TCP, its queue is full). */
bool handover_send(int listener, int fd);

/* The descriptor that came on connection `fd`; -1: none. The caller owns it. */
int handover_receive(int fd);

#endif
