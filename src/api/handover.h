/* SPDX-License-Identifier: MIT */
/* Hands idle connections from a stopping worker to its successor. A web server may send a request
 * on a kept connection at any moment, so closing one at any moment may lose a request.
 *
 * Both workers listen on the same UNIX socket. The descriptor travels (SCM_RIGHTS, unix(7)) in a
 * new connection to that listener, and waits in its queue until a worker accepts it. */
#ifndef API_HANDOVER_H
#define API_HANDOVER_H

#include <stdbool.h>

/* The first byte of such a connection; no FastCGI record begins with it. */
enum { HANDOVER_MARK = 0xfd };

/* Sends a copy of `fd`. False when the listener cannot be reached: it belongs to another user, is
 * TCP, or its queue is full. */
bool handover_send(int listener, int fd);

/* Receives the descriptor sent on connection `fd`; -1: none. The caller owns it. */
int handover_receive(int fd);

#endif
