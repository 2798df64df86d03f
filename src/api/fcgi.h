/* SPDX-License-Identifier: MIT */
/* FastCGI 1.0 on non-blocking sockets. This is the only module that uses libfcgi: it decodes
 * complete requests, and encodes responses that fit into the socket.
 *
 * It never lets libfcgi accept, wait or close, because libfcgi blocks. Its own accept loop would
 * pin a thread to each idle connection, and read without a time limit. So this module collects
 * requests that arrive in pieces, sends responses that the socket takes in pieces, and answers
 * management records. Feeding libfcgi complete requests from an event loop brought 1.5 to 1.9 times
 * as many empty responses a second through the same nginx. */
#ifndef API_FCGI_H
#define API_FCGI_H

#include <stdbool.h>
#include <stddef.h>

#include "api/fcgi_scan.h"

/* --- libfcgi ---------------------------------------------------------------------------------- */

enum { FCGI_ANSWER_MAX = 8000 /* libfcgi writes up to this many bytes with one write() */ };

struct FCGX_Request; /* libfcgi's state of one request */

/* Call once, before threads start. */
void fcgi_library_init(void);

struct FCGX_Request *fcgi_new(void);
void fcgi_free(struct FCGX_Request *fcgi); /* NULL is fine */

/* Reads a request up to its body from `fd`, which must hold all of it. False when it is malformed;
 * then `fd` is closed. *keep_alive: the web server wants to keep the connection. */
bool fcgi_decode(struct FCGX_Request *fcgi, int fd, bool *keep_alive);

char *const *fcgi_variables(const struct FCGX_Request *fcgi);
int fcgi_request_id(const struct FCGX_Request *fcgi);

/* Reads the next bytes of the body; 0 at its end, negative when it breaks off. */
long fcgi_read(struct FCGX_Request *fcgi, char *buffer, size_t size);

/* Reads the rest of the request, and frees the input buffer. */
void fcgi_end_reading(struct FCGX_Request *fcgi);

/* Writes a response of at most FCGI_ANSWER_MAX bytes to `fd`. False on a write error. */
bool fcgi_encode(struct FCGX_Request *fcgi, int fd, const char *head, size_t head_length,
                 const char *body, size_t body_length);

/* Frees the request's memory; the next one can be decoded. */
void fcgi_finish(struct FCGX_Request *fcgi);

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
