/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/question.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/heavy.h"
#include "api/metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"

struct question *question_new(void)
{
    return xcalloc(1, sizeof(struct question));
}

void question_free(struct question *question)
{
    if (!question)
        return;
    if (question->report)
        question->report_free(question->report);
    reply_release(question->reply);
    query_free(&question->query);
    free(question);
}

void question_answer(struct question *question, struct reply *reply)
{
    reply_release(question->reply);
    question->reply = reply;
    question->outcome = OUTCOME_DONE;
}

void question_refuse(struct question *question, enum err err, const struct error *e)
{
    struct reply *reply = reply_error(err, e);

    if (question->route->refused) {
        struct reply *better = question->route->refused(question);
        better->error = err;
        memcpy(better->detail, reply->detail, sizeof better->detail);
        reply_release(reply);
        reply = better;
    }
    question_answer(question, reply);
}

void question_log(const struct question *question, const struct request *request,
                  const struct settings *settings)
{
    const struct route *route = question->next ? question->next : question->route;
    const struct principal *who = &question->who;

    metrics_request(route, question->reply->status, clock_us() - request->came);
    reply_log(question->reply, request);
    if (!settings->log.requests)
        return;
    log_event(LEVEL_INFO, "access",
              "id=%s method=%s route=\"%s\" status=%d duration_ms=%lld user=%s tenant=%s role=%s",
              request->id, request_method_name(request->method), route ? route->pattern : "",
              question->reply->status, (long long)(clock_us() - request->came) / 1000, who->user_id,
              who->tenant_id, *who->user_id ? role_names[who->role] : "");
}

bool question_key(const struct question *question, char out[QUESTION_KEY_MAX])
{
    const char *pattern = question->route->pattern;
    const struct scope *scope = &question->scope;
    bool batched = question->weight > 0; /* users of a tenant together, and admins of all tenants */

    if (!question->route->shared)
        return question->route->batch && snprintf(out, QUESTION_KEY_MAX, "%s", pattern) > 0;
    /* No id has a line end: two keys are equal only if all their parts are. */
    int length = snprintf(out, QUESTION_KEY_MAX, "%s\n%d\n%s\n%s\n%s\n%d\n", pattern,
                          (int)scope->kind,
                          batched && scope->kind == SCOPE_TENANT ? "" : scope->tenant_id,
                          batched ? "" : scope->user_id, question->id, (int)question->format);
    size_t left = QUESTION_KEY_MAX - (size_t)length;
    return query_format(&question->query, NULL, out + length, left) < left;
}

struct callers questions_callers(struct question **questions, size_t count)
{
    struct callers callers = {count, xcalloc(count, sizeof *callers.scopes),
                              count > 1 || questions[0]->measure,
                              xcalloc(count, sizeof *callers.rows)};

    for (size_t i = 0; i < count; i++)
        callers.scopes[i] = &questions[i]->scope;
    return callers;
}

void questions_loaded(struct question **questions, struct callers *callers)
{
    for (size_t i = 0; callers->several && i < callers->count; i++)
        heavy_note(questions[i]->route->pattern, callers->scopes[i], callers->rows[i]);
    free(callers->scopes);
    free(callers->rows);
}
