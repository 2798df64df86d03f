/* SPDX-License-Identifier: MIT */
/* A connection from the web server, and the request on it:
 *
 *     idle -> reading -> (answered at once | waiting for the database) -> writing -> idle or closed
 *
 * One struct serves both because FastCGI requests on a connection come one after the other; vsay
 * does not multiplex, and says so (FCGI_MPXS_CONNS). Only the connection's io thread touches it,
 * with one exception: while it waits, `waiter` belongs to the coalescer or to a waitlist. */
#ifndef API_CONNECTION_H
#define API_CONNECTION_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/queue.h>

#include "api/auth.h"
#include "api/fcgi.h"
#include "api/response.h"
#include "api/scheduler.h"

enum connection_state {
    CONNECTION_IDLE,    /* between requests */
    CONNECTION_READING, /* part of a request has arrived */
    CONNECTION_WAITING, /* for its call; no time limit of its own */
    CONNECTION_WRITING, /* the web server has yet to take the rest of the response */
    CONNECTION_STATES
};

struct connection {
    struct waiter waiter; /* first member: cast back to the connection */
    struct io *io;
    int fd;
    enum connection_state state;
    int64_t until;      /* monotonic ms: when its state times out */
    int64_t read_until; /* monotonic ms: limit for reading the whole request */
    uint32_t events;    /* registered with epoll; 0: none yet */
    bool pending;       /* the socket may hold unread bytes */
    bool keep_alive;    /* the web server asked to keep it open */
    bool last_request;  /* it closes after this request all the same */
    bool peer_closed;   /* the web server has closed its side */
    bool aborted;       /* the request was aborted: no response */
    bool over_limit;    /* over connections_max: gets a 503 */
    bool interrupted;   /* the worker stops before the request is complete */
    bool overloaded;    /* its request was dropped for lack of memory */
    struct fcgi_scan scan;
    struct incoming incoming;
    struct FCGX_Request *fcgi;
    struct request request;
    char *head; /* of the response being written */
    struct outgoing outgoing;
    unsigned unread; /* bytes that the peer had not read at the last count */
    TAILQ_ENTRY(connection) next;
};

TAILQ_HEAD(connections, connection);

/* The state that all io threads of a worker share. */
struct io_shared {
    const struct settings *settings;
    struct auth *auth;
    struct scheduler *scheduler;
    atomic_size_t connections; /* open ones */
    size_t connections_max;    /* from the limit of file descriptors */
};

enum { IO_GRACE_MS = 1000 }; /* for requests still arriving when the worker stops */

/* The event loop of a connection; io.h has its functions. */
struct io {
    struct io_shared *shared;
    struct inbox inbox;   /* responses from other threads */
    int epoll, listener;  /* listener -1: accepts nothing */
    int64_t now;          /* monotonic ms, read once a turn */
    int64_t accept_again; /* monotonic ms, after running out of descriptors; 0: not paused */
    struct connections by_state[CONNECTION_STATES]; /* each sorted by `until` */
    size_t count;                                   /* open connections */
    atomic_bool stop_requested;
    bool stopping;
    int64_t stop_reading; /* monotonic ms: while `stopping`, requests that still arrive then are cut
                             off */
};

/* Starts serving an accepted connection; takes `fd`, which must be non-blocking. */
void connection_open(struct io *io, int fd);

/* The worker stops: hands an idle connection to another worker, or closes it soon. */
void connection_stop(struct connection *connection);

/* Handles epoll events. */
void connection_event(struct connection *connection, uint32_t events);

/* Handles the outcome of its call: writes the response, or continues the request. */
void connection_respond(struct connection *connection);

/* Handles the timeout of its state. */
void connection_timed_out(struct connection *connection);

/* --- shared by connection.c and connection_read.c --------------------------------------------- */

/* Functions that return bool return false once the connection is closed and freed. */

/* Enters a state, or restarts its timeout. */
void connection_enter(struct connection *connection, enum connection_state state);
bool connection_close(struct connection *connection);

/* Decodes and runs the complete request in `fd`: the socket, or the file that collected it. */
bool connection_serve(struct connection *connection, int fd);
bool connection_serve_collected(struct connection *connection);

/* Reads the rest of the request, and frees what was collected of it. */
void connection_end_reading(struct connection *connection);

/* Cleans up after a response, or after a request that gets none. */
bool connection_end_request(struct connection *connection);

/* Returns whether it is idle or reading. */
bool connection_is_reading(const struct connection *connection);

/* Reads all available bytes, and answers what it can. */
bool connection_read(struct connection *connection);

/* The request under way breaks off. In its body it still gets a response. */
bool connection_break_off(struct connection *connection);

/* Ends an aborted request without a response (FastCGI 1.0 section 5.4). */
bool connection_end_aborted(struct connection *connection);

#endif
