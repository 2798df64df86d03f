/* SPDX-License-Identifier: MIT */
/* A connection from the web server, and the request on it:
 *
 *     idle -> reading -> (answered at once | waiting for the database) -> writing -> idle or closed
 *
 * Only its own io thread touches it, except for `waiter`, which is the coalescer's and the
 * waitlist's while the connection waits. */
#ifndef API_CONNECTION_H
#define API_CONNECTION_H

#include <stdint.h>
#include <sys/queue.h>

#include "api/coalescer.h"
#include "api/fcgi_record.h"
#include "api/response.h"

struct FCGX_Request; /* libfcgi's */
struct io;

enum connection_state {
    CONNECTION_IDLE,    /* no byte of a request has come */
    CONNECTION_READING, /* some have */
    CONNECTION_WAITING, /* for an answer of the database; it has no time limit of its own */
    CONNECTION_WRITING, /* for the web server to take the rest of the answer */
    CONNECTION_STATES
};

struct connection {
    struct waiter waiter; /* comes first: it is cast back */
    struct io *io;
    int fd;
    enum connection_state state;
    int64_t until;      /* monotonic ms: the time limit of its state */
    int64_t read_until; /* all of the request must have come by then */
    uint32_t events;    /* that epoll tells of; 0: none yet */
    bool pending;       /* something came that is not read yet */
    bool keeps;         /* its web server wants to send more requests on it */
    bool last;          /* but there will be none */
    bool ended;         /* its web server sends no more */
    bool aborted;       /* so was its request: it gets no answer */
    bool crowded;       /* there was no room for it: it gets a 503 */
    bool cut_off;       /* its request was, as the worker stops */
    bool overloaded;    /* there was no room to keep its request */
    struct fcgi_scan scan;
    struct incoming incoming;
    struct FCGX_Request *fcgi;
    struct request request;
    char *head; /* of the response that is being written */
    struct outgoing outgoing;
    unsigned unread; /* bytes of it in the socket, when they were last counted */
    TAILQ_ENTRY(connection) next;
};

TAILQ_HEAD(connections, connection);

/* Begins with a connection that was accepted; owns `fd`, which must not block. */
void connection_open(struct io *io, int fd);

/* Its worker stops: an idle connection goes to another worker, or soon ends. */
void connection_stop(struct connection *connection);

/* Events of epoll have come. */
void connection_event(struct connection *connection, uint32_t events);

/* The outcome of its call has come: a response, or the request continues. */
void connection_respond(struct connection *connection);

/* The time limit of its state is over. */
void connection_timed_out(struct connection *connection);

/* From any thread that has its waiter: gives that back, with a call that need not wait. */
void connection_deliver(struct waiter *waiter);

/* From any thread that has its waiter: whether its client has gone. nginx closes its connection
 * then; other web servers tell nothing. */
bool connection_has_gone(const struct waiter *waiter);

/* --- between connection.c and connection_read.c ------------------------------------------------
 */

/* All that return bool say whether the connection is still open: it is freed when it is closed. */

/* Enters a state, or makes its time begin again. */
void connection_enter(struct connection *connection, enum connection_state state);
bool connection_close(struct connection *connection);

/* Decodes the request that lies in `fd`, its socket or the file of what was collected, and runs it.
 */
bool connection_serve(struct connection *connection, int fd);
bool connection_serve_collected(struct connection *connection);

/* Reads what is left of the request, and gives up what was collected of it. */
void connection_end_reading(struct connection *connection);

/* After an answer, or a request that gets none. */
bool connection_end_request(struct connection *connection);

/* Whether it takes the next request, or is taking one. */
bool connection_is_reading(const struct connection *connection);

/* Reads all that has come, and answers what it can. */
bool connection_read(struct connection *connection);

/* No more will come of the request under way. One that breaks off in its body is answered. */
bool connection_break_off(struct connection *connection);

/* Ends a request that was aborted (FastCGI 1.0 section 5.4): nobody wants the answer. */
bool connection_end_aborted(struct connection *connection);

#endif
