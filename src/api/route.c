/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "base/xalloc.h"

enum {
    READ = METHOD_GET | METHOD_HEAD,
    PEOPLE = 1 << ROLE_USER | 1 << ROLE_COMPANY_ADMIN | 1 << ROLE_SUPER_ADMIN,
    NO_BODY = 4096 /* a body that nobody reads is tolerated up to here */
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
     .answer = answer_sessions},
    {.methods = METHOD_DELETE,
     .pattern = "/api/terminal/sessions/:id",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .mode = DB_WRITE,
     .answer = answer_session_close},
    {.methods = READ,
     .pattern = "/api/dashboard/stats",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .answer = answer_stats},
    {.methods = READ,
     .pattern = "/api/dashboard/recent-activity",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .answer = answer_recent_activity},
    {.methods = READ,
     .pattern = "/api/dashboard/recent-machines",
     .roles = PEOPLE,
     .body_limit = NO_BODY,
     .shared = true,
     .answer = answer_recent_machines},
};

const size_t routes_count = sizeof routes / sizeof *routes;

/* Whether path matches; *id receives the text that `:id` stands for. */
static bool matches(const char *pattern, const char *path, const char **id)
{
    size_t fixed = strcspn(pattern, ":");

    *id = NULL;
    if (!pattern[fixed])
        return strcmp(pattern, path) == 0;
    if (strncmp(pattern, path, fixed) != 0 || !path[fixed] || strchr(path + fixed, '/'))
        return false;
    *id = path + fixed;
    return true;
}

/* The route of path and method. *allow receives the methods of all routes with that path. */
static const struct route *find(const char *path, enum method method, unsigned *allow,
                                const char **id)
{
    const struct route *found = NULL;
    const char *text = NULL;

    *allow = 0;
    for (size_t i = 0; i < routes_count; i++) {
        if (!matches(routes[i].pattern, path, &text))
            continue;
        *allow |= routes[i].methods;
        *id = text;
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

static enum err fill(struct app *app, struct request *request, const struct route *route,
                     const char *id, struct question *question, struct error *e)
{
    question->route = route;
    enum err err = authorise(app, request, route, question, e);
    if (!err)
        err = request_discard_body(request, route->body_limit, e);
    if (!err && id) {
        if (ident_valid(id, strlen(id)))
            memcpy(question->id, id, strlen(id) + 1);
        else
            err = error_tell(e, ERR_REQUEST, "Malformed identifier in the path");
    }
    if (!err && route->ask)
        err = route->ask(request, question, e);
    return err;
}

struct reply *route_dispatch(struct app *app, struct request *request, struct question **question)
{
    struct error e = {0};
    unsigned allow = 0;
    const char *id = NULL;
    const struct route *route = find(request->path, request->method, &allow, &id);

    *question = NULL;
    if (!allow)
        return reply_error(ERR_NOT_FOUND, NULL);
    if (is_preflight(app, request))
        return reply_preflight(allow);
    if (!route)
        return reply_method(allow);

    struct question *asked = xcalloc(1, sizeof *asked);
    enum err err = fill(app, request, route, id, asked, &e);
    if (!err && !route->immediate) {
        *question = asked;
        return NULL;
    }
    struct reply *reply = err ? reply_error(err, &e) : question_answer(NULL, asked, &err);
    free(asked);
    return reply;
}

bool question_key(const struct question *question, char out[QUESTION_KEY_MAX])
{
    const struct session_filter *filter = &question->filter;

    if (!question->route->shared)
        return false;
    int length =
        snprintf(out, QUESTION_KEY_MAX, "%s|%d|%s|%s|%s|%s|%s|%s|%llu|%llu",
                 question->route->pattern, (int)question->scope.kind, question->scope.tenant_id,
                 question->scope.user_id, filter->agent_id, filter->user_id,
                 filter->source ? filter->source : "", filter->before.started_at,
                 (unsigned long long)filter->before.id, (unsigned long long)filter->limit);
    return length > 0 && length < QUESTION_KEY_MAX;
}

struct answer_context {
    const struct question *question;
    struct reply *reply;
};

static enum err answer_body(struct db *db, void *context, struct error *e)
{
    struct answer_context *c = context;

    reply_release(c->reply); /* of an attempt whose commit failed */
    c->reply = NULL;
    return c->question->route->answer(db, c->question, &c->reply, e);
}

struct reply *question_answer(struct db *db, const struct question *question, enum err *err)
{
    struct answer_context context = {.question = question};
    struct error e = {0};

    if (question->route->immediate)
        *err = answer_body(db, &context, &e);
    else
        *err = db_run(db, question->route->mode, answer_body, &context, &e);
    if (*err) {
        reply_release(context.reply);
        return reply_error(*err, &e);
    }
    return context.reply;
}
