/* SPDX-License-Identifier: MIT */
/* An HTTP request as CGI/1.1 (RFC 3875) describes it. FastCGI and CGI pass the same variables, so
 * both gateways fill this one struct. request_parse validates them once; handlers need not check
 * again.
 *
 * The path is SCRIPT_NAME and PATH_INFO together, less api.prefix: some web servers put all of it
 * into the first, others divide it. Both are decoded and normalised, and the web server's own
 * access rules have seen them in this form. REQUEST_URI keeps `..`, `//` and `%2F` as they were
 * sent, so it is used for links only. */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "common/protocol.h"

enum method {
    METHOD_GET = 1 << 0,
    METHOD_HEAD = 1 << 1,
    METHOD_POST = 1 << 2,
    METHOD_DELETE = 1 << 3,
    METHOD_OPTIONS = 1 << 4,
    METHOD_OTHER = 1 << 5
};

/* Reads the next bytes of the body into `buffer`; 0 at its end, negative when it breaks off. */
typedef long body_fn(void *gateway, char *buffer, size_t size);

enum { REQUEST_ID_LENGTH = 16, PATH_MAX_LENGTH = 1024, QUERY_MAX_LENGTH = 4096 };

struct request {
    char id[REQUEST_ID_LENGTH + 1];
    int64_t received; /* monotonic us */
    enum method method;
    char path[PATH_MAX_LENGTH + 1]; /* decoded, without api.prefix */
    const char *query;              /* raw, never NULL; this and the texts below are borrowed */
    const char *authorization;      /* NULL: none */
    const char *uri;                /* REQUEST_URI, as the client sent it; NULL: unknown */
    const char *cookies;            /* NULL: none */
    const char *fetch_site;         /* Sec-Fetch-Site; NULL: none */
    const char *own_header;         /* Vsay-Request; NULL: none */
    bool https;                     /* the browser uses TLS, perhaps up to a proxy only */
    const char *server;             /* SERVER_SOFTWARE; NULL: unknown */
    const char *origin;             /* NULL: none */
    const char *preflight_method;   /* Access-Control-Request-Method; NULL: none */
    const char *accept;             /* NULL: none */
    const char *prefer;             /* NULL: none */
    const char *instance;           /* Vsay-Instance; NULL: none */
    long content_length;            /* -1: unknown, read to the end */
    body_fn *read_body;
    void *gateway;
};

/* Fills *out from the CGI variables `envp` ("NAME=value", borrowed). Sets the id even on error.
 * ERR_REQUEST when a variable is missing or malformed, ERR_NOT_FOUND when the path is too long or
 * outside `prefix`. */
enum err request_parse(struct request *out, char *const *envp, const char *prefix,
                       body_fn *read_body, void *gateway, struct error *e);

/* The path prefix under which the client reaches the API, for links and cookies. It may differ from
 * `configured` (api.prefix): on shared hosting, rewriting puts the program's own path there, which
 * the client never sees. *prefix borrows from the request or from `configured`; returns its
 * length. */
int request_prefix(const struct request *request, const char *configured, const char **prefix);

/* The method's name; "other" for METHOD_OTHER. */
const char *request_method_name(enum method method);

/* Reads and drops the body. ERR_TOO_LARGE past `limit` bytes, ERR_REQUEST when its length differs
 * from Content-Length. */
enum err request_discard_body(struct request *request, size_t limit, struct error *e);

/* Reads the body, with the same errors. The caller frees *out, which has a NUL byte after *length
 * bytes. */
enum err request_read_body(struct request *request, size_t limit, char **out, size_t *length,
                           struct error *e);

/* The seconds of `Prefer: wait=N` (RFC 7240 section 4.3); 0 without that preference. */
long request_prefers_wait(const struct request *request);

#endif
