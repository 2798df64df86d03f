/* SPDX-License-Identifier: MIT */
/* Listening sockets, created or inherited, and the connections that come through them: from web
 * servers, and from workers that stop.
 *
 * A web server may send a request on a kept connection at any time. A worker that closed its idle
 * connections when it stops would lose such requests: Apache, which does not retry, answered up to
 * 3 % of requests with 503 during restarts. So it hands them to its successor, which listens on the
 * same UNIX socket: the descriptor travels (SCM_RIGHTS, unix(7)) in a new connection to that
 * socket, and waits in its queue until a worker accepts it. */
#ifndef API_LISTEN_H
#define API_LISTEN_H

#include <stdbool.h>

#include "base/error.h"

/* The listening socket that the process inherited: systemd's (LISTEN_PID and LISTEN_FDS, see
 * sd_listen_fds(3)), or descriptor 0 (spawn-fcgi, multiwatch, lighttpd, mod_fcgid). -1: none. */
int listen_inherited(void);

/* Checks the syntax of an address: unix:PATH, HOST:PORT or [IPV6]:PORT. ERR_CONFIG. */
enum err listen_check(const char *address, struct error *e);

/* Listens on an address. Replaces a UNIX socket that no process serves. ERR_CONFIG or ERR_IO. */
enum err listen_on(const char *address, int *fd, struct error *e);

/* Makes the listener non-blocking. Warns of a TCP socket that other hosts can reach. */
void listen_prepare(int listener);

/* Accepts a connection, non-blocking. -1 when there is none, or its peer is not in
 * FCGI_WEB_SERVER_ADDRS; *exhausted is set when the process is out of descriptors. */
int listen_accept(int listener, bool *exhausted);

/* The first byte of a connection that carries a descriptor. No FastCGI record begins with it. */
enum { HANDOVER_MARK = 0xfd };

/* Hands a copy of `fd` to the workers that listen on `listener`. False when the listener cannot be
 * reached: it belongs to another user, is TCP, or its queue is full. */
bool listen_hand_over(int listener, int fd);

/* Receives the descriptor that connection `fd` carries; -1: none. The caller owns it. */
int listen_take_over(int fd);

#endif
