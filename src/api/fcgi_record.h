/* SPDX-License-Identifier: MIT */
/* FastCGI records (FastCGI 1.0 section 3.3) to and from sockets that must not be waited for.
 * libfcgi, which waits, decodes requests that are whole and encodes answers that fit. */
#ifndef API_FCGI_RECORD_H
#define API_FCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "api/fcgi_scan.h"

/* --- requests that do not come at one go ------------------------------------------------------ */

/* A request that is collected. Initialise `file` to -1. */
struct incoming {
    unsigned char *bytes;
    size_t size;
    bool cut; /* it is too large for any route, and was not kept whole */
    int file; /* that libfcgi reads it from; -1: none yet */
};

/* Keeps a piece, unless the request is too large. False when too much is collected by all together,
 * or there is no file to be had for it. */
bool incoming_keep(struct incoming *incoming, const struct record_piece *piece);

/* Moves it to a file in memory, to be read from its start; -1 when there is none to be had. */
int incoming_open(struct incoming *incoming);

/* Closes the file, and gives its room back. */
void incoming_close(struct incoming *incoming);

/* --- answers that do not fit into a socket at once ---------------------------------------------
 */

enum progress { PROGRESS_MORE, PROGRESS_COMPLETE, PROGRESS_BROKEN };

/* An answer on its way: STDOUT records with `head` and `body`, which are borrowed, an empty one and
 * END_REQUEST. */
struct outgoing {
    unsigned request_id;
    const char *head, *body;
    size_t head_length, body_length;
    size_t sent; /* bytes of all the records */
};

/* Sends as much as socket `fd` takes. */
enum progress outgoing_send(struct outgoing *outgoing, int fd);

/* --- answers to records that are no part of a request ------------------------------------------
 */

enum { RECORD_ANSWER_MAX = 128 };

/* END_REQUEST with a protocolStatus (section 5.5). All return the length. */
enum protocol_status { REQUEST_COMPLETE, CANT_MPX_CONN, OVERLOADED, UNKNOWN_ROLE };
size_t record_end(unsigned char out[RECORD_ANSWER_MAX], unsigned request_id,
                  enum protocol_status status);
size_t record_unknown_type(unsigned char out[RECORD_ANSWER_MAX], unsigned type);

/* GET_VALUES_RESULT for the GET_VALUES in `content`: `connections` for FCGI_MAX_CONNS and
 * FCGI_MAX_REQS, and that requests do not share connections; other names are left out. */
size_t record_values(unsigned char out[RECORD_ANSWER_MAX], const unsigned char *content,
                     size_t length, size_t connections);

#endif
