/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/question.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/heavy.h"
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
