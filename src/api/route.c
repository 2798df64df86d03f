/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/heavy.h"
#include "base/xalloc.h"

enum {
    READ = METHOD_GET | METHOD_HEAD,
    PEOPLE = 1 << ROLE_USER | 1 << ROLE_COMPANY_ADMIN | 1 << ROLE_SUPER_ADMIN,
    AGENT = 1 << ROLE_AGENT,
    NO_BODY = 4096, /* a body that nobody reads is tolerated up to here */
    REPORT = 128 * 1024,
    LARGE_REPORT = 4 * 1024 * 1024,
    UNCHECKED_REPORT = 16 * 1024 /* a body so long is read before its agent is looked up */
};

const struct route routes[] = {
    {.methods = READ,
     .pattern = "/health",
     .roles = ANYONE,
     .body_limit = NO_BODY,
     .immediate = true,
     .answer = answer_health},
    {.methods = READ,
     .pattern = "/health/ready",
     .roles = ANYONE,
     .body_limit = NO_BODY,
     .shared = true,
     .answer = answer_ready},
    {.methods = READ,
     .pattern = "/api/terminal/sessions",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .ask = ask_sessions,
     .batch = answer_sessions},
    {.methods = METHOD_DELETE,
     .pattern = "/api/terminal/sessions/:id",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .mode = DB_WRITE,
     .ask = ask_session_close,
     .answer = answer_session_close,
     .waits_for = WAIT_END,
     .late = late_session_close},
    {.methods = READ,
     .pattern = "/api/sessions/:id",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .answer = answer_receipt},
    {.methods = READ,
     .pattern = "/api/dashboard/stats",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .batch = answer_stats},
    {.methods = READ,
     .pattern = "/api/dashboard/recent-activity",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .batch = answer_recent_activity},
    {.methods = READ,
     .pattern = "/api/dashboard/recent-machines",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .batch = answer_recent_machines},
    {.methods = METHOD_POST,
     .pattern = "/api/agent/heartbeat",
     .roles = AGENT,
     .body_limit = REPORT,
     .mode = DB_WRITE,
     .ask = ask_heartbeat,
     .batch = answer_heartbeats},
    {.methods = METHOD_GET,
     .pattern = "/api/agent/signals",
     .roles = AGENT,
     .body_limit = NO_BODY,
     .mode = DB_WRITE,
     .ask = ask_signals,
     .batch = answer_signals,
     .waits_for = WAIT_SIGNAL,
     .late = late_signals},
    {.methods = METHOD_POST,
     .pattern = "/api/agent/sessions",
     .roles = AGENT,
     .body_limit = REPORT,
     .mode = DB_WRITE,
     .ask = ask_session_open,
     .answer = answer_session_open},
    {.methods = METHOD_POST,
     .pattern = "/api/agent/sessions/:id/end",
     .roles = AGENT,
     .body_limit = REPORT,
     .mode = DB_WRITE,
     .ask = ask_session_end,
     .answer = answer_session_end},
    {.methods = METHOD_POST,
     .pattern = "/api/agent/activity",
     .roles = AGENT,
     .body_limit = LARGE_REPORT,
     .mode = DB_WRITE,
     .ask = ask_activity,
     .batch = answer_activity},
};

const size_t routes_count = sizeof routes / sizeof *routes;

/* What comes before a large report: a void token is signed all the same, and must not have
 * megabytes parsed. */
static const struct route admission = {
    .pattern = "admission", .mode = DB_READ, .batch = answer_admissions};

/* Text of the path that `:id` stands for. */
struct segment {
    const char *text; /* NULL: the pattern has none */
    size_t length;
};

static bool matches(const char *pattern, const char *path, struct segment *id)
{
    size_t fixed = strcspn(pattern, ":");

    *id = (struct segment){0};
    if (!pattern[fixed])
        return strcmp(pattern, path) == 0;
    if (strncmp(pattern, path, fixed) != 0)
        return false;
    *id = (struct segment){path + fixed, strcspn(path + fixed, "/")};
    return id->length > 0 && strcmp(id->text + id->length, pattern + fixed + strlen(":id")) == 0;
}

/* The route of path and method. *allow receives the methods of all routes with that path. */
static const struct route *find(const char *path, enum method method, unsigned *allow,
                                struct segment *id)
{
    const struct route *found = NULL;
    struct segment segment;

    *allow = 0;
    for (size_t i = 0; i < routes_count; i++) {
        if (!matches(routes[i].pattern, path, &segment))
            continue;
        *allow |= routes[i].methods;
        *id = segment;
        if (routes[i].methods & method)
            found = &routes[i];
    }
    return found;
}

static bool is_preflight(const struct app *app, const struct request *request)
{
    return request->method == METHOD_OPTIONS && request->preflight_method &&
           reply_allows_origin(app->settings, request->origin);
}

static enum err authorise(struct app *app, const struct request *request, const struct route *route,
                          struct question *question, struct error *e)
{
    if (route->roles == ANYONE)
        return ERR_OK;
    enum err err = auth_check(app->auth, request, &question->who, e);
    if (!err && !(route->roles & 1u << question->who.role))
        err = error_set(e, ERR_FORBIDDEN, "role %s", role_names[question->who.role]);
    question->scope = scope_of(&question->who);
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

static enum err fill(struct app *app, struct request *request, const struct route *route,
                     const struct segment *id, struct question *question, struct error *e)
{
    question->route = route;
    enum err err = authorise(app, request, route, question, e);
    if (!err)
        err = read_instance(request, question, e);
    if (!err && id->text && !ident_valid(id->text, id->length))
        err = error_tell(e, ERR_REQUEST, "Malformed identifier in the path");
    if (!err && id->text)
        memcpy(question->id, id->text, id->length);
    if (err || !is_large_report(request, question))
        return err ? err : read_input(request, question, e);
    question->next = route;
    question->route = &admission;
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

struct reply *route_dispatch(struct app *app, struct request *request, struct question **question)
{
    struct error e = {0};
    unsigned allow = 0;
    struct segment id = {0};
    const struct route *route = find(request->path, request->method, &allow, &id);

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
        err = questions_answer(NULL, &asked, 1);
    struct reply *reply = err ? reply_error(err, &e) : reply_hold(asked->reply);
    question_free(asked);
    return reply;
}

struct reply *route_resume(struct request *request, struct question **question)
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

enum err questions_answer(struct db *db, struct question **questions, size_t count)
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
