/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/heavy.h"
#include "base/xalloc.h"

enum { UNCHECKED_REPORT = 16 * 1024 /* a body so long is read before its agent is looked up */ };

static bool is_preflight(const struct app *app, const struct request *request)
{
    return request->method == METHOD_OPTIONS && request->preflight_method &&
           reply_allows_origin(app->settings, request->origin);
}

/* Which instance of its machine's agent reports, of two with one token. */
static enum err read_instance(const struct request *request, struct question *question,
                              struct error *e)
{
    const char *instance = request->instance ? request->instance : "";

    if (question->who.role != ROLE_AGENT || !*instance)
        return ERR_OK;
    if (!ident_valid(instance, strlen(instance)))
        return error_tell(e, ERR_REQUEST, "Malformed identifier in Vsay-Instance");
    strcpy(question->instance, instance);
    return ERR_OK;
}

/* What a report weighs is added to it. Equal questions are no batch: those of super admins, and of
 * a heavy caller. */
static unsigned first_weight(struct question *question)
{
    const struct route *route = question->route;

    if (!route->batch || (route->shared && question->scope.kind == SCOPE_ALL))
        return 0;
    return !route->shared || !heavy_check(route->pattern, &question->scope, &question->measure);
}

static bool is_large_report(const struct request *request, const struct question *question)
{
    long length = request->content_length;

    return question->who.role == ROLE_AGENT && question->route->methods & METHOD_POST &&
           (length < 0 ||
            (length > UNCHECKED_REPORT && (size_t)length <= question->route->body_limit));
}

static enum err read_input(struct request *request, struct question *question, struct error *e)
{
    const struct route *route = question->route;
    enum err err = ERR_OK;

    question->weight = first_weight(question);
    if (!(route->methods & METHOD_POST))
        err = request_discard_body(request, route->body_limit, e);
    return err || !route->ask ? err : route->ask(request, question, e);
}

static enum err fill(struct app *app, struct request *request, const struct route *route,
                     const struct segment *id, struct question *question, struct error *e)
{
    question->route = route;
    enum err err = route_authorise(route, app->auth, request, &question->who, e);
    question->scope = scope_of(&question->who);
    if (!err)
        err = read_instance(request, question, e);
    if (!err && id->text && !ident_valid(id->text, id->length))
        err = error_tell(e, ERR_REQUEST, "Malformed identifier in the path");
    if (!err && id->text)
        memcpy(question->id, id->text, id->length);
    if (err || !is_large_report(request, question))
        return err ? err : read_input(request, question, e);
    question->next = route;
    question->route = &route_admission;
    question->weight = 1;
    return ERR_OK;
}

void question_free(struct question *question)
{
    if (!question)
        return;
    if (question->report)
        question->report_free(question->report);
    reply_release(question->reply);
    free(question);
}

struct reply *dispatch_request(struct app *app, struct request *request, struct question **question)
{
    struct error e = {0};
    unsigned allow = 0;
    struct segment id = {0};
    const struct route *route = route_find(request->path, request->method, &allow, &id);

    *question = NULL;
    if (!allow)
        return reply_error(ERR_NOT_FOUND, NULL);
    if (is_preflight(app, request))
        return reply_preflight(allow);
    if (!route)
        return reply_method(allow);

    struct question *asked = xcalloc(1, sizeof *asked);
    enum err err = fill(app, request, route, &id, asked, &e);
    if (!err && !route->immediate) {
        *question = asked;
        return NULL;
    }
    if (!err)
        err = dispatch_batch(NULL, &asked, 1);
    struct reply *reply = err ? reply_error(err, &e) : reply_hold(asked->reply);
    question_free(asked);
    return reply;
}

struct reply *dispatch_resume(struct request *request, struct question **question)
{
    struct question *asked = *question;
    struct error e = {0};

    asked->route = asked->next;
    asked->next = NULL;
    enum err err = read_input(request, asked, &e);
    if (!err)
        return NULL;
    question_free(asked);
    *question = NULL;
    return reply_error(err, &e);
}

bool question_key(const struct question *question, char out[QUESTION_KEY_MAX])
{
    const struct session_filter *filter = &question->filter;
    const char *pattern = question->route->pattern;
    const struct scope *scope = &question->scope;
    bool batched = question->weight > 0; /* users of a tenant together, and admins of all tenants */

    if (!question->route->shared)
        return question->route->batch && snprintf(out, QUESTION_KEY_MAX, "%s", pattern) > 0;
    int length = snprintf(out, QUESTION_KEY_MAX, "%s|%d|%s|%s|%s|%s|%s|%s|%s|%llu|%llu", pattern,
                          (int)scope->kind,
                          batched && scope->kind == SCOPE_TENANT ? "" : scope->tenant_id,
                          batched ? "" : scope->user_id, question->id, filter->agent_id,
                          filter->user_id, filter->source ? filter->source : "",
                          filter->before.started_at, (unsigned long long)filter->before.id,
                          (unsigned long long)filter->limit);
    return length > 0 && length < QUESTION_KEY_MAX;
}

struct asking {
    const struct route *route;
    struct question **questions;
    size_t count;
};

static enum err ask_database(struct db *db, void *context, struct error *e)
{
    struct asking *asking = context;

    for (size_t i = 0; i < asking->count; i++) { /* of an attempt whose commit failed */
        reply_release(asking->questions[i]->reply);
        asking->questions[i]->reply = NULL;
        asking->questions[i]->wakes = WAIT_NOTHING;
    }
    return asking->route->batch ? asking->route->batch(db, asking->questions, asking->count, e)
                                : asking->route->answer(db, asking->questions[0], e);
}

/* Whether the questions that failed together may fare better one by one. */
static bool is_own_fault(enum err err)
{
    return err != ERR_DB_AWAY && err != ERR_DB_BUSY && err != ERR_DB_SCHEMA &&
           err != ERR_DB_CONFLICT;
}

static enum err answer_distinct(struct db *db, struct question **questions, size_t count)
{
    struct asking asking = {questions[0]->route, questions, count};
    struct error e = {0};
    enum err err = asking.route->immediate
                       ? ask_database(db, &asking, &e)
                       : db_run(db, asking.route->mode, ask_database, &asking, &e);

    for (size_t i = 0; err && i < count; i++) {
        if (count == 1 || !is_own_fault(err)) {
            reply_release(questions[i]->reply);
            questions[i]->reply = reply_error(err, &e);
            continue;
        }
        enum err alone = answer_distinct(db, &questions[i], 1);
        if (alone && !is_own_fault(alone)) /* it is of no use to go on */
            err = error_set(&e, alone, "went away in the middle of a batch");
    }
    return err;
}

static int compare_callers(const void *a, const void *b)
{
    return scope_compare(&(*(struct question *const *)a)->scope,
                         &(*(struct question *const *)b)->scope);
}

/* Sorts the questions by their callers, and moves those to the end that have an equal one before
 * them; returns how many are left. */
static size_t put_equal_last(struct question **questions, size_t count)
{
    struct question **equal = xcalloc(count, sizeof *equal);
    size_t distinct = 0;

    qsort(questions, count, sizeof *questions, compare_callers);
    for (size_t i = 0; i < count; i++) {
        if (distinct && compare_callers(&questions[distinct - 1], &questions[i]) == 0) {
            questions[i]->same = questions[distinct - 1];
            equal[i - distinct] = questions[i];
        } else {
            questions[distinct++] = questions[i];
        }
    }
    memcpy(questions + distinct, equal, (count - distinct) * sizeof *equal);
    free(equal);
    return distinct;
}

enum err dispatch_batch(struct db *db, struct question **questions, size_t count)
{
    size_t distinct = questions[0]->route->shared ? put_equal_last(questions, count) : count;
    enum err err = answer_distinct(db, questions, distinct);

    for (size_t i = distinct; i < count; i++)
        questions[i]->reply = reply_hold(questions[i]->same->reply);
    return err;
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
