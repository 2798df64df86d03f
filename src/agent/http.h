/* SPDX-License-Identifier: MIT */
/* One HTTP connection to vsay's API, for use by one thread. The only module that knows libcurl.
 *
 * Its main work is to tell vsay's responses from those of everything in between. A proxy, a
 * firewall, a login page or a web server without its application may answer with any status, 200
 * too. If the agent took that for vsay's word, it would delete reports that vsay never saw. So only
 * a JSON object counts, and it must have the member that the route's responses always have. All
 * other responses mean "try again later" (HTTP_UNAVAILABLE), or that a proxy refuses
 * (HTTP_PROXY_REFUSED), which the sender weighs. */
#ifndef AGENT_HTTP_H
#define AGENT_HTTP_H

#include "agent/event_flag.h"
#include "machine/options.h"

struct http;
struct json_object;

enum http_outcome {
    HTTP_DONE,            /* 2xx */
    HTTP_REFUSED,         /* 400 or 403 from vsay: it will never accept this */
    HTTP_MISSING,         /* 404 from vsay: about something it does not know */
    HTTP_TOO_LARGE,       /* 413: only in smaller parts */
    HTTP_UNAUTHORIZED,    /* 401: the token is not valid, or cannot be read */
    HTTP_UNAVAILABLE,     /* no usable response; retry later */
    HTTP_SECOND_INSTANCE, /* 409: another instance reports with this token */
    HTTP_PROXY_REFUSED,   /* a 4xx that is not vsay's: a proxy or firewall refuses */
    HTTP_STOPPED          /* EVENT_STOP was set during the request */
};

/* Call these before any thread starts and after all have ended. */
enum err http_library_init(struct error *e);
void http_library_end(void);

/* Makes a connection object; it connects with the first request. `name` is for the log; `instance`
 * is sent with each request. All arguments are borrowed. EVENT_STOP on `event_flag` aborts a
 * request within a second. */
struct http *http_new(const char *name, const struct agent_options *options, const char *instance,
                      struct event_flag *event_flag);
void http_free(struct http *http);

enum { HTTP_TIMEOUT = 30 /* s; for all requests but long polls */ };

struct http_request {
    const char *path;
    const char *body;            /* JSON to POST; NULL: GET */
    const char *required_member; /* the route's responses always have it; see http_call */
    long timeout;                /* s */
};

/* Sends a request with the token that the token file holds now. On HTTP_DONE *out is the response's
 * JSON object, which the caller releases (json_object_put); otherwise it is NULL and `e` says why.
 * Logs when vsay becomes unreachable and when it is back.
 *
 * A response without `required_member` counts as none: one that arrives twice on a kept connection
 * would otherwise be taken for the response to the next request. */
enum http_outcome http_call(struct http *http, const struct http_request *request,
                            struct json_object **out, struct error *e);

/* Backs off after a failed call: waits longer after each failure, up to a minute, with full jitter
 * so that machines which failed together do not come back together. EVENT_HURRY ends the wait, and
 * so does a new token file after HTTP_UNAUTHORIZED. HTTP_DONE resets the back-off. */
void http_pause(struct http *http, enum http_outcome outcome);

#endif
