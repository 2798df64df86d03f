/* SPDX-License-Identifier: MIT */
/* Listening sockets, created or inherited, and the connections accepted from them. */
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

#endif
