/* SPDX-License-Identifier: MIT */
/* Listening sockets, made or inherited. */
#ifndef API_LISTEN_H
#define API_LISTEN_H

#include <stdbool.h>

#include "base/error.h"

/* The listening socket that the process was started with: systemd's (LISTEN_PID and LISTEN_FDS, see
 * sd_listen_fds(3)) or the one on descriptor 0 (spawn-fcgi, multiwatch, lighttpd, mod_fcgid).
 * -1: none. */
int listen_inherited(void);

/* Whether `address` is written as listen_on takes it: unix:PATH, HOST:PORT or [IPV6]:PORT.
 * ERR_CONFIG otherwise. */
enum err listen_check(const char *address, struct error *e);

/* Listens on `unix:PATH` or `HOST:PORT` ([IPV6]:PORT). A UNIX socket that nobody serves any more is
 * replaced. ERR_IO. */
enum err listen_on(const char *address, int *fd, struct error *e);

/* Makes the listener one that is not waited for. Warns of a TCP socket that is open to anybody. */
void listen_prepare(int listener);

/* The next connection, which is not waited for either; -1 when there is none, or it is none of
 * FCGI_WEB_SERVER_ADDRS. *exhausted is set when there are no descriptors left. */
int listen_accept(int listener, bool *exhausted);

#endif
