/* SPDX-License-Identifier: MIT */
/* An answer, before a gateway writes it. */
#ifndef API_RESPONSE_H
#define API_RESPONSE_H

#include <stdatomic.h>
#include <stddef.h>

#include "api/cookie.h"
#include "api/request.h"
#include "base/error.h"
#include "common/settings.h"

/* Shared by all who asked the same call: immutable once it is being written. */
struct response {
    atomic_int references;
    int status;
    enum err error;   /* ERR_OK, or why */
    unsigned allow;   /* enum method bits of the Allow header, or 0 */
    bool preflight;   /* answers a CORS preflight */
    long waited;      /* the wait=N that was applied (RFC 7240 section 3), or 0 */
    const char *type; /* Content-Type, static */
    char *body;       /* owned; NULL: none */
    size_t body_length;
    bool negotiated;      /* the type depends on the request's Accept */
    char *next;           /* owned: the query string of the next page; NULL: there is none */
    char *cookie;         /* owned: the token for Set-Cookie, "" to forget it; NULL: none */
    int64_t cookie_until; /* Unix seconds */
    char detail[256];     /* what went wrong, for the log */
};

/* All return a response with one reference; response_json takes ownership of `body`. */
struct json_object;
struct response *response_json(int status, struct json_object *body);
struct response *response_text(int status, const char *type, char *body,
                               size_t length); /* takes body */
struct response *response_message(int status, const char *message);
struct response *response_error(enum err code, const struct error *e);
struct response *response_method(unsigned allow);                   /* 405 */
struct response *response_preflight(unsigned allow);                /* 204 */
struct response *response_cookie(const char *token, int64_t until); /* 204 */

struct response *response_hold(struct response *response);
void response_release(struct response *response); /* NULL is fine */

enum { REPLY_HEAD_MAX = 4096 + COOKIE_LINE_MAX };

/* Writes the CGI header (RFC 3875 section 6.3) of `response` to `request`, with its closing empty
 * line, to out[]; returns its length. */
size_t response_head(const struct response *response, const struct request *request,
                     const struct settings *settings, char out[REPLY_HEAD_MAX]);

/* Length of the body to write: none for HEAD (RFC 9110 section 9.3.2). */
size_t response_body_length(const struct response *response, const struct request *request);

/* Whether pages of `origin` (NULL: none) may call the API. */
bool response_allows_origin(const struct settings *settings, const char *origin);

/* One log line for an answered request. */
void response_log(const struct response *response, const struct request *request);

#endif
