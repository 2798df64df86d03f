/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "api/auditor.h"
#include "api/heavy.h"
#include "api/worker.h"
#include "base/xalloc.h"
#include "store/audit.h"

enum { UNCHECKED_REPORT = 16 * 1024 /* a body so long is read before its agent is looked up */ };

static bool is_preflight(const struct worker *worker, const struct request *request)
{
    return request->method == METHOD_OPTIONS && request->preflight_method &&
           reply_allows_origin(worker->settings, request->origin);
}

/* Checks the request's token, and whether its role may use the route. */
static enum err authorise(struct auth *auth, const struct request *request,
                          struct question *question, struct error *e)
{
    const struct route *route = question->route;
    struct principal *who = &question->who;

    if (route->roles == ANYONE)
        return ERR_OK;
    enum err err = auth_check(auth, request, who, e);
    if (!err && !(route->roles & 1u << who->role))
        err = error_set(e, ERR_FORBIDDEN, "role %s", role_names[who->role]);
    question->scope = scope_of(who);
    return err;
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

static enum err fill(const struct worker *worker, struct request *request, const struct segment *id,
                     struct question *question, struct error *e)
{
    const struct route *route = question->route;

    question->outcome = OUTCOME_WAIT;
    enum err err = authorise(worker->auth, request, question, e);
    if (!err)
        err = read_instance(request, question, e);
    if (!err && id->text && !ident_valid(id->text, id->length))
        err = error_tell(e, ERR_REQUEST, "Malformed identifier in the path");
    if (!err && id->text)
        memcpy(question->id, id->text, id->length);
    if (!err)
        err = query_parse(request->query, route->parameters, &question->query, e);
    if (route->list)
        question->format = format_choose(request->accept);
    if (err || !is_large_report(request, question))
        return err ? err : read_input(request, question, e);
    question->outcome = OUTCOME_CONTINUE;
    question->next = route;
    question->route = &route_admission;
    question->weight = 1;
    return ERR_OK;
}

void dispatch_request(const struct worker *worker, struct request *request,
                      struct question *question)
{
    struct error e = {0};
    unsigned allow = 0;
    struct segment id = {0};
    enum err err = ERR_OK;

    strcpy(question->request_id, request->id);
    question->route = route_find(request->path, request->method, &allow, &id);
    if (!allow)
        question_answer(question, reply_error(ERR_NOT_FOUND, NULL));
    else if (is_preflight(worker, request))
        question_answer(question, reply_preflight(allow));
    else if (!question->route)
        question_answer(question, reply_method(allow));
    else if ((err = fill(worker, request, &id, question, &e)))
        question_answer(question, reply_error(err, &e));
    else if (question->route->immediate)
        dispatch_batch(NULL, &question, 1);
}

void dispatch_continue(struct request *request, struct question *question)
{
    struct error e = {0};

    question->outcome = OUTCOME_WAIT;
    question->route = question->next;
    enum err err = read_input(request, question, &e);
    if (err)
        question_answer(question, reply_error(err, &e));
}

struct asking {
    const struct route *route;
    struct question **questions;
    size_t count;
};

static enum err ask_database(struct db *db, void *context, struct error *e)
{
    struct asking *asking = context;

    for (size_t i = 0; i < asking->count; i++)
        asking->questions[i]->wakes = WAIT_NOTHING; /* of an attempt whose commit failed */
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
            question_refuse(questions[i], err, &e);
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

static void note_success(const struct question *question)
{
    bool failed = question->outcome == OUTCOME_DONE && question->reply->error;
    char asked[AUDIT_DETAIL_MAX + 1];

    if (question->route->after && !failed)
        question->route->after(question);
    if (question->route->action && !failed) {
        query_format(&question->query, NULL, asked, sizeof asked);
        auditor_note(question, question->route->action, NULL, asked);
    }
}

enum err dispatch_batch(struct db *db, struct question **questions, size_t count)
{
    size_t distinct = questions[0]->route->shared ? put_equal_last(questions, count) : count;
    enum err err = answer_distinct(db, questions, distinct);

    for (size_t i = distinct; i < count; i++)
        question_answer(questions[i], reply_hold(questions[i]->same->reply));
    for (size_t i = 0; i < count; i++)
        note_success(questions[i]);
    return err;
}
