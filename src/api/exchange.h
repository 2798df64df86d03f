/* SPDX-License-Identifier: MIT */
/* One request over FastCGI, from its first byte to the last of its answer. */
#ifndef API_EXCHANGE_H
#define API_EXCHANGE_H

#include "api/board.h"
#include "api/records.h"
#include "api/reply.h"

struct FCGX_Request; /* libfcgi's */
struct large;        /* an answer that waits for its reader */

struct exchange {
    struct waiter waiter; /* comes first: it is cast back */
    const struct settings *settings;
    struct request request;
    struct FCGX_Request *fcgi;
    int64_t read_until;       /* monotonic ms: its body must be here by then */
    bool cut_off;             /* it was not, as the worker stopped */
    struct incoming incoming; /* when it does not come at one go */
    int peer;                 /* its socket, while libfcgi reads from a file instead; or -1 */
    struct large *large;      /* when it is not written at one go */
};

/* Once per process, before threads start. */
void exchange_library_init(void);

/* `settings` is borrowed. */
struct exchange *exchange_new(const struct settings *settings);

/* Closes the socket too, and frees the question of one that was parked. NULL is fine. */
void exchange_free(struct exchange *exchange);

/* Takes the socket `fd`, and the time that there is from now on for all of the body. */
void exchange_open(struct exchange *exchange, int fd);

/* Reads the request up to its body, waiting for it. False when it is none that can be answered. */
bool exchange_read(struct exchange *exchange);

/* The same from the file in which it was collected. */
bool exchange_read_collected(struct exchange *exchange);

/* Its socket, unless it is being read from what was collected. */
int exchange_socket(const struct exchange *exchange);

/* Fills `request`. Errors as request_parse. */
enum err exchange_parse(struct exchange *exchange, struct error *e);

/* Gives up what a request needs no more that was read to its end. */
void exchange_shrink(struct exchange *exchange);

/* Writes the answer, waiting for its reader, and closes the socket. */
void exchange_write(struct exchange *exchange, struct reply *reply);

/* Writes the answer bit by bit: exchange_send, whenever the socket takes more. */
void exchange_write_large(struct exchange *exchange, struct reply *reply);
enum progress exchange_send(struct exchange *exchange);

/* Logs what exchange_send has sent. */
void exchange_log(const struct exchange *exchange);

#endif
