/* SPDX-License-Identifier: MIT */
/* A process for each request, so nothing is prepared that the request may not need: the database is
 * connected when a handler asks it, and the audit is written after the response has gone. */
#include "config.h"
#include "api/cgi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/auditor.h"
#include "api/dispatch.h"

enum { DRAIN_MAX = 8 << 20 /* bytes */ };

extern char **environ;

/* The body ends where Content-Length says (RFC 3875 section 4.2). Apache passes a chunked body
 * without Content-Length; that one ends at the end of the file. */
static long read_body(void *gateway, char *buffer, size_t size)
{
    struct request *request = gateway;
    static long taken;

    if (request->content_length < 0 && request->method & (METHOD_GET | METHOD_HEAD))
        return 0;
    if (request->content_length >= 0 && (long)size > request->content_length - taken)
        size = (size_t)(request->content_length - taken);
    ssize_t n;
    do {
        n = read(STDIN_FILENO, buffer, size);
    } while (n < 0 && errno == EINTR);
    taken += n > 0 ? n : 0;
    return n;
}

/* The same loop as that of coalescer and db workers, for one call. */
static void run_on_database(const struct settings *settings, struct request *request,
                            struct call *call)
{
    struct db *db = db_new(settings);

    call->wait = 0; /* no process is kept for a long wait */
    while (call->outcome != OUTCOME_DONE) {
        dispatch_batch(db, &call, 1);
        if (call->outcome == OUTCOME_CONTINUE)
            dispatch_continue(request, call);
        else if (call->outcome == OUTCOME_WAIT)
            call_respond(call, call->route->timeout(call));
    }
    db_free(db);
}

static void handle(const struct settings *settings, struct auth *auth, struct request *request,
                   struct call *call)
{
    struct error e = {0};
    enum err err = request_parse(request, environ, settings->api.prefix, read_body, request, &e);

    if (err)
        call_respond(call, response_error(err, &e));
    else
        dispatch_request(settings, auth, request, call);
    if (call->outcome != OUTCOME_DONE)
        run_on_database(settings, request, call);
}

/* When a program leaves a body unread, mod_cgid adds an error page of its own to the response. */
static void drain(struct request *request)
{
    char buffer[4096];
    long n, total = 0;

    while (total < DRAIN_MAX && (n = read_body(request, buffer, sizeof buffer)) > 0)
        total += n;
}

int cgi_run(const struct settings *settings, struct auth *auth)
{
    struct request request;
    char head[RESPONSE_HEAD_MAX];
    struct call *call = call_new();

    handle(settings, auth, &request, call);
    drain(&request);
    fwrite(head, 1, response_head(call->response, &request, settings, head), stdout);
    fwrite(call->response->body, 1, response_body_length(call->response, &request), stdout);
    call_log(call, &request, settings);
    call_free(call);
    int status = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    auditor_write(settings);
    return status;
}
