/* SPDX-License-Identifier: MIT */
/* An HTTP response, before a gateway writes it. Reference-counted, since all calls that a batch
 * answers alike share one; immutable once it is shared or being written.
 *
 * Its head is made when it is written, for each request: the request's id, CORS and the path of a
 * cookie differ between requests that share a body. */
#ifndef API_RESPONSE_H
#define API_RESPONSE_H

#include <stdatomic.h>
#include <stddef.h>

#include "api/auth.h"
#include "api/request.h"
#include "base/error.h"
#include "common/settings.h"

struct response {
    atomic_int references;
    int status;
    enum err error;   /* reason of an error response, or ERR_OK */
    unsigned allow;   /* enum method bits for Allow, or 0 */
    bool preflight;   /* answers a CORS preflight */
    long waited;      /* the applied wait=N (RFC 7240 section 3), or 0 */
    const char *type; /* Content-Type, static */
    char *body;       /* owned; NULL: none */
    size_t body_length;
    bool negotiated;      /* the type was chosen by Accept */
    char *next;           /* query string of the next page, owned; NULL: none */
    char *cookie;         /* token for Set-Cookie, owned; "": delete; NULL: none */
    int64_t cookie_until; /* Unix seconds */
    char detail[256];     /* for the log */
};

/* Each returns a response with one reference. response_json takes ownership of `body`. */
struct json_object;
struct response *response_json(int status, struct json_object *body);
struct response *response_text(int status, const char *type, char *body,
                               size_t length); /* takes ownership of `body` */
struct response *response_message(int status, const char *message);
struct response *response_error(enum err code, const struct error *e);
struct response *response_method(unsigned allow);                   /* 405 */
struct response *response_preflight(unsigned allow);                /* 204 */
struct response *response_cookie(const char *token, int64_t until); /* 204 */

struct response *response_hold(struct response *response);
void response_release(struct response *response); /* NULL is fine */

enum { RESPONSE_HEAD_MAX = 4096 + COOKIE_LINE_MAX };

/* Writes the CGI header of the response (RFC 3875 section 6.3), including the final empty line, to
 * out[]; returns its length. */
size_t response_head(const struct response *response, const struct request *request,
                     const struct settings *settings, char out[RESPONSE_HEAD_MAX]);

/* The length of the body to write: 0 for HEAD (RFC 9110 section 9.3.2). */
size_t response_body_length(const struct response *response, const struct request *request);

/* Returns whether pages of `origin` (NULL: none) may call the API. */
bool response_allows_origin(const struct settings *settings, const char *origin);

/* Logs an answered request: errors at their level, others at debug. */
void response_log(const struct response *response, const struct request *request);

#endif
