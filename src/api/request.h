/* SPDX-License-Identifier: MIT */
/* One HTTP request as CGI/1.1 (RFC 3875) hands it over, checked once, here. */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "common/ident.h"

enum method {
    METHOD_GET = 1 << 0,
    METHOD_HEAD = 1 << 1,
    METHOD_POST = 1 << 2,
    METHOD_DELETE = 1 << 3,
    METHOD_OPTIONS = 1 << 4,
    METHOD_OTHER = 1 << 5
};

/* Reads the next bytes of the body into `buffer`; 0 at its end, negative when it broke off. */
typedef long body_fn(void *gateway, char *buffer, size_t size);

enum { REQUEST_ID_LENGTH = 16, PATH_MAX_LENGTH = 1024, QUERY_MAX_LENGTH = 4096 };

struct request {
    char id[REQUEST_ID_LENGTH + 1];
    int64_t came; /* monotonic us */
    enum method method;
    char path[PATH_MAX_LENGTH + 1]; /* decoded, without the prefix */
    const char *query;              /* raw; never NULL, borrowed from the gateway */
    const char *authorization;      /* NULL: none */
    const char *uri;                /* REQUEST_URI: as the client sent it; NULL: not told */
    const char *cookies;            /* NULL: none */
    const char *fetch_site;         /* Sec-Fetch-Site; NULL: none */
    const char *own_header;         /* Vsay-Request; NULL: none */
    bool https;                     /* between the browser and whatever is in front */
    const char *server;             /* SERVER_SOFTWARE; NULL: not told */
    const char *origin;             /* NULL: none */
    const char *preflight_method;   /* Access-Control-Request-Method; NULL: none */
    const char *accept;             /* NULL: none */
    const char *prefer;             /* NULL: none */
    const char *instance;           /* Vsay-Instance; NULL: none */
    long content_length;            /* -1: not told, the body ends where it ends */
    body_fn *read_body;
    void *gateway;
};

/* Fills *out from the CGI variables `envp` ("NAME=value", borrowed). The id is set even on error.
 * ERR_REQUEST when a variable is missing or malformed. */
enum err request_parse(struct request *out, char *const *envp, const char *prefix,
                       body_fn *read_body, void *gateway, struct error *e);

/* Where the API lies for the client: *prefix receives what comes before the request's path, which
 * may differ from `configured` (api.prefix): on shared hosting it is the path of the program, which
 * the server's rewriting has put there. Returns its length; it borrows from either. */
int request_prefix(const struct request *request, const char *configured, const char **prefix);

/* As in the request line; "other" for METHOD_OTHER. */
const char *request_method_name(enum method method);

/* Reads the body to its end. ERR_TOO_LARGE past `limit` bytes, ERR_REQUEST when it is not as long
 * as announced. */
enum err request_discard_body(struct request *request, size_t limit, struct error *e);

/* The same, and keeps it: *out is freed by the caller and has a NUL byte after *length bytes. */
enum err request_read_body(struct request *request, size_t limit, char **out, size_t *length,
                           struct error *e);

/* Seconds of `Prefer: wait=N` (RFC 7240 section 4.3); 0 when there is no such preference. */
long request_prefers_wait(const struct request *request);

#endif
