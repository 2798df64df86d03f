/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/gateway_cgi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/dispatch.h"

enum { DRAIN_MAX = 8 << 20 /* bytes */ };

extern char **environ;

/* RFC 3875 section 4.2: there is no more to read than Content-Length says. Apache hands over a
 * chunked body without one, to be read to its end. */
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

/* Answers a question, and frees it. */
static struct reply *ask_database(struct app *app, struct request *request,
                                  struct question *question)
{
    struct db *db = db_new(app->settings);
    struct reply *reply = NULL;

    question->wait = 0; /* a process is too much for it */
    dispatch_batch(db, &question, 1);
    if (!question->reply && question->next && !(reply = dispatch_resume(request, &question)))
        dispatch_batch(db, &question, 1);
    if (!reply)
        reply = question->reply ? reply_hold(question->reply) : question->route->late(question);
    question_free(question);
    db_free(db);
    return reply;
}

static struct reply *answer(struct app *app, struct request *request)
{
    struct error e = {0};
    struct question *question = NULL;
    enum err err =
        request_parse(request, environ, app->settings->api.prefix, read_body, request, &e);

    if (err)
        return reply_error(err, &e);
    struct reply *reply = dispatch_request(app, request, &question);
    return reply ? reply : ask_database(app, request, question);
}

/* mod_cgid mixes its own error up with the answer of a program that leaves a body unread. */
static void drain(struct request *request)
{
    char buffer[4096];
    long n, total = 0;

    while (total < DRAIN_MAX && (n = read_body(request, buffer, sizeof buffer)) > 0)
        total += n;
}

int gateway_cgi_run(struct app *app)
{
    struct request request;
    char head[REPLY_HEAD_MAX];
    struct reply *reply = answer(app, &request);

    drain(&request);
    fwrite(head, 1, reply_head(reply, &request, app->settings, head), stdout);
    fwrite(reply->body, 1, reply_body_length(reply, &request), stdout);
    reply_log(reply, &request);
    reply_release(reply);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
