/* SPDX-License-Identifier: MIT */
/* An io thread: an event loop (epoll) with the shared listener and the connections that it
 * accepted. It never blocks on a peer or on the database. Other threads hand responses back through
 * its inbox.
 *
 * With one loop for many connections, idle and slow ones cost memory only, and no thread.
 *
 * Each connection belongs to one loop for life, so connections need no locks. Several loops listen
 * on one socket, and each accepts one connection a turn, so the kernel spreads the load. */
#ifndef API_IO_H
#define API_IO_H

#include "api/connection.h"

/* A loop for `listener` (-1: none); it accepts once it runs. */
struct io *io_new(struct io_shared *shared, int listener);

/* NULL is fine. All its connections must be closed. */
void io_free(struct io *io);

/* Runs until io_stop and the close of the last connection. */
void io_run(struct io *io);

/* Runs one turn of the loop; waits at most `ms` for events (-1: without limit). */
void io_turn(struct io *io, int ms);

/* From any thread: stops accepting, and closes each connection after its response. */
void io_stop(struct io *io);

#endif
