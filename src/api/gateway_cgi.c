/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/gateway_cgi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/auditor.h"
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

static void ask_database(const struct worker *worker, struct request *request,
                         struct question *question)
{
    struct db *db = db_new(worker->settings);

    question->wait = 0; /* a process is too much for it */
    while (question->outcome != OUTCOME_DONE) {
        dispatch_batch(db, &question, 1);
        if (question->outcome == OUTCOME_CONTINUE)
            dispatch_continue(request, question);
        else if (question->outcome == OUTCOME_WAIT)
            question_answer(question, question->route->late(question));
    }
    db_free(db);
}

static void answer(const struct worker *worker, struct request *request, struct question *question)
{
    struct error e = {0};
    enum err err =
        request_parse(request, environ, worker->settings->api.prefix, read_body, request, &e);

    if (err)
        question_answer(question, reply_error(err, &e));
    else
        dispatch_request(worker, request, question);
    if (question->outcome != OUTCOME_DONE)
        ask_database(worker, request, question);
}

/* mod_cgid mixes its own error up with the answer of a program that leaves a body unread. */
static void drain(struct request *request)
{
    char buffer[4096];
    long n, total = 0;

    while (total < DRAIN_MAX && (n = read_body(request, buffer, sizeof buffer)) > 0)
        total += n;
}

int gateway_cgi_run(struct worker *worker)
{
    struct request request;
    char head[REPLY_HEAD_MAX];
    struct question *question = question_new();

    answer(worker, &request, question);
    drain(&request);
    fwrite(head, 1, reply_head(question->reply, &request, worker->settings, head), stdout);
    fwrite(question->reply->body, 1, reply_body_length(question->reply, &request), stdout);
    question_log(question, &request, worker->settings);
    question_free(question);
    int status = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    auditor_write(worker->settings);
    return status;
}
