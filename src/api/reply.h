/* SPDX-License-Identifier: MIT */
/* An answer, before a gateway writes it. */
#ifndef API_REPLY_H
#define API_REPLY_H

#include <stdatomic.h>
#include <stddef.h>

#include "api/cookie.h"
#include "api/request.h"
#include "base/error.h"
#include "common/settings.h"

/* Shared by all who asked the same question: immutable once it is being written. */
struct reply {
    atomic_int references;
    int status;
    enum err error;   /* ERR_OK, or why */
    unsigned allow;   /* enum method bits of the Allow header, or 0 */
    bool preflight;   /* answers a CORS preflight */
    long waited;      /* the wait=N that was applied (RFC 7240 section 3), or 0 */
    const char *type; /* Content-Type, static */
    char *body;       /* owned; NULL: none */
    size_t body_length;
    bool negotiated;  /* the type depends on the request's Accept */
    char *next;       /* owned: the query string of the next page; NULL: there is none */
    char *cookie;     /* owned: the token for Set-Cookie, "" to forget it; NULL: none */
    int64_t cookie_until; /* Unix seconds */
    char detail[256]; /* what went wrong, for the log */
};

/* All return a reply with one reference; reply_json takes ownership of `body`. */
struct json_object;
struct reply *reply_json(int status, struct json_object *body);
struct reply *reply_text(int status, const char *type, char *body, size_t length); /* takes body */
struct reply *reply_message(int status, const char *message);
struct reply *reply_error(enum err code, const struct error *e);
struct reply *reply_method(unsigned allow);    /* 405 */
struct reply *reply_preflight(unsigned allow); /* 204 */
struct reply *reply_cookie(const char *token, int64_t until); /* 204 */

struct reply *reply_hold(struct reply *reply);
void reply_release(struct reply *reply); /* NULL is fine */

enum { REPLY_HEAD_MAX = 4096 + COOKIE_LINE_MAX };

/* Writes the CGI header (RFC 3875 section 6.3) of `reply` to `request`, with its closing empty
 * line, to out[]; returns its length. */
size_t reply_head(const struct reply *reply, const struct request *request,
                  const struct settings *settings, char out[REPLY_HEAD_MAX]);

/* Length of the body to write: none for HEAD (RFC 9110 section 9.3.2). */
size_t reply_body_length(const struct reply *reply, const struct request *request);

/* Whether pages of `origin` (NULL: none) may call the API. */
bool reply_allows_origin(const struct settings *settings, const char *origin);

/* One log line for an answered request. */
void reply_log(const struct reply *reply, const struct request *request);

#endif
