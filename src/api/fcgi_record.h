/* SPDX-License-Identifier: MIT */
/* FastCGI records (FastCGI 1.0 section 3.3) read from and written to non-blocking sockets. libfcgi,
 * which blocks, only decodes complete requests and encodes responses that fit; this module collects
 * requests that arrive in pieces, and sends responses that the socket takes in pieces. */
#ifndef API_FCGI_RECORD_H
#define API_FCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "api/fcgi_scan.h"

/* --- requests that arrive in pieces ----------------------------------------------------------- */

/* A request being collected. Initialise `file` to -1. */
struct incoming {
    unsigned char *bytes;
    size_t size;
    bool truncated; /* too large for any route: the rest is not kept */
    int file;       /* memory file, for libfcgi to read; -1: none yet */
};

/* Keeps a piece; drops it if the request is too large already. False when all requests together
 * take too much memory, or no file can be made. */
bool incoming_keep(struct incoming *incoming, const struct record_piece *piece);

/* Moves the request to a memory file, positioned at its start. Returns the descriptor, which the
 * struct keeps; -1 on failure. */
int incoming_open(struct incoming *incoming);

/* Frees all it holds; ready for the next request. */
void incoming_close(struct incoming *incoming);

/* --- responses that are sent in pieces -------------------------------------------------------- */

enum progress { PROGRESS_MORE, PROGRESS_COMPLETE, PROGRESS_BROKEN };

/* A response being sent: STDOUT records with `head` and `body` (both borrowed), an empty one, and
 * END_REQUEST. */
struct outgoing {
    unsigned request_id;
    const char *head, *body;
    size_t head_length, body_length;
    size_t sent; /* bytes sent so far, headers included */
};

/* Sends as much as socket `fd` takes, without blocking. */
enum progress outgoing_send(struct outgoing *outgoing, int fd);

/* --- records outside a request ---------------------------------------------------------------- */

enum { RECORD_ANSWER_MAX = 128 };

/* END_REQUEST with a protocolStatus (section 5.5). These functions return the record's length. */
enum protocol_status { REQUEST_COMPLETE, CANT_MPX_CONN, OVERLOADED, UNKNOWN_ROLE };
size_t record_end(unsigned char out[RECORD_ANSWER_MAX], unsigned request_id,
                  enum protocol_status status);
size_t record_unknown_type(unsigned char out[RECORD_ANSWER_MAX], unsigned type);

/* GET_VALUES_RESULT for the GET_VALUES in `content`: `connections` as FCGI_MAX_CONNS and
 * FCGI_MAX_REQS, and 0 as FCGI_MPXS_CONNS, since requests do not share connections. Unknown names
 * are left out (section 4.1). */
size_t record_values(unsigned char out[RECORD_ANSWER_MAX], const unsigned char *content,
                     size_t length, size_t connections);

#endif
