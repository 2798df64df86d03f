/* SPDX-License-Identifier: MIT */
/* All that knows libfcgi: it decodes a request that is whole, and encodes an answer that fits into
 * a socket. It never opens, waits for or closes a connection. */
#ifndef API_FCGI_H
#define API_FCGI_H

#include <stdbool.h>
#include <stddef.h>

enum { FCGI_ANSWER_MAX = 8000 /* bytes that libfcgi hands to the kernel at one go */ };

struct FCGX_Request; /* libfcgi's: one request, from its decoding to its end */

/* Once per process, before threads start. */
void fcgi_library_init(void);

struct FCGX_Request *fcgi_new(void);
void fcgi_free(struct FCGX_Request *fcgi); /* NULL is fine */

/* Reads a request up to its body from `fd`, where all of it must lie. False when it is none;
 * `fd` is closed then. *keeps: the web server wants to keep the connection. */
bool fcgi_decode(struct FCGX_Request *fcgi, int fd, bool *keeps);

char *const *fcgi_variables(const struct FCGX_Request *fcgi);
int fcgi_request_id(const struct FCGX_Request *fcgi);

/* The next bytes of the body; 0 at its end, negative when it breaks off. */
long fcgi_read(struct FCGX_Request *fcgi, char *buffer, size_t size);

/* Reads what is left of the request, and gives up the memory that only reading takes. */
void fcgi_end_reading(struct FCGX_Request *fcgi);

/* Writes an answer of at most FCGI_ANSWER_MAX bytes to `fd`. False when that did not take it. */
bool fcgi_encode(struct FCGX_Request *fcgi, int fd, const char *head, size_t head_length,
                 const char *body, size_t body_length);

/* Gives up all memory; the next request can be decoded. */
void fcgi_finish(struct FCGX_Request *fcgi);

#endif
