/* SPDX-License-Identifier: MIT */
/* One connection to vsay's API; the only file that knows libcurl. For one thread. */
#ifndef AGENT_HTTP_H
#define AGENT_HTTP_H

#include "agent/event_flag.h"
#include "machine/options.h"

struct http;
struct json_object;

enum http_outcome {
    HTTP_DONE,            /* 2xx */
    HTTP_REFUSED,         /* vsay will never take this */
    HTTP_MISSING,         /* nor this, of something that it does not know; 404 */
    HTTP_TOO_LARGE,       /* nor this, unless it is divided */
    HTTP_UNAUTHORIZED,    /* the token is no good */
    HTTP_UNAVAILABLE,     /* later, perhaps */
    HTTP_SECOND_INSTANCE, /* not while another instance reports with this token; 409 */
    HTTP_PROXY_REFUSED,   /* somebody on the way does not like this */
    HTTP_STOPPED          /* the event flag has rung EVENT_STOP */
};

/* Before threads, and after them. */
enum err http_library_init(struct error *e);
void http_library_end(void);

/* `name` is for the log; `instance` goes with each request. All is borrowed. EVENT_STOP on `event
 * flag` breaks off a request in a second. */
struct http *http_new(const char *name, const struct agent_options *options, const char *instance,
                      struct event_flag *event_flag);
void http_free(struct http *http);

enum { HTTP_TIMEOUT = 30 /* s; for requests that are answered at once */ };

struct http_request {
    const char *path;
    const char *body; /* JSON to POST; NULL: GET */
    const char
        *required_member; /* a member that the answer always has: without it, it is another's */
    long timeout;         /* s */
};

/* Sends a request with the token that its file holds now. With HTTP_DONE *out is an object, which
 * the caller puts; else NULL, and `e` says why. That vsay cannot be reached, or can again, is
 * logged. */
enum http_outcome http_call(struct http *http, const struct http_request *request,
                            struct json_object **out, struct error *e);

/* After a failed call: waits, longer each time, until it is worth while to try again: at
 * EVENT_HURRY or, if the token was no good, when its file changes. After HTTP_DONE: forgets the
 * failures. */
void http_pause(struct http *http, enum http_outcome outcome);

#endif
