/* SPDX-License-Identifier: MIT */
/* The two halves of a request's way meet here. The first runs on an io thread, so nothing in it may
 * block; the second on a db worker. Checks come in the order of their price and of what they tell:
 * the path, the method, the token, the role, and only then anything that the client wrote. So a
 * client without a token learns nothing of what its request lacks. */
#include "config.h"
#include "api/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "api/auditor.h"
#include "base/xalloc.h"
#include "store/audit.h"

enum {
    UNCHECKED_REPORT = 16 * 1024 /* shorter reports are read before their agent is looked up */
};

static bool is_preflight(const struct settings *settings, const struct request *request)
{
    return request->method == METHOD_OPTIONS && request->preflight_method &&
           response_allows_origin(settings, request->origin);
}

/* Checks the token, and whether its role may use the route. */
static enum err authorise(struct auth *auth, const struct request *request, struct call *call,
                          struct error *e)
{
    const struct route *route = call->route;
    struct principal *who = &call->who;

    if (route->roles == ANYONE)
        return ERR_OK;
    enum err err = auth_check(auth, request, who, e);
    if (!err && !(route->roles & 1u << who->role))
        err = error_set(e, ERR_FORBIDDEN, "role %s", role_names[who->role]);
    call->scope = scope_of(who);
    return err;
}

/* Two agents may run with one machine's token; the header says which instance reports. */
static enum err parse_instance(const struct request *request, struct call *call, struct error *e)
{
    const char *instance = request->instance ? request->instance : "";

    if (call->who.role != ROLE_AGENT || !*instance)
        return ERR_OK;
    if (!ident_valid(instance, strlen(instance)))
        return error_public(e, ERR_REQUEST, "Malformed identifier in Vsay-Instance");
    strcpy(call->instance, instance);
    return ERR_OK;
}

/* Parsers add a report's own weight. Weight 0 means no batch: super admins' calls are all equal,
 * and a heavy caller would hold up the others. */
static unsigned first_weight(struct call *call)
{
    const struct route *route = call->route;

    if (!route->batch || (route->shared && call->scope.kind == SCOPE_ALL))
        return 0;
    return !route->shared || !call_is_heavy(call);
}

/* A report of unknown length (a chunked body over CGI) counts as large. One over the route's limit
 * is refused without being read, so its agent does not matter. */
static bool is_large_report(const struct request *request, const struct call *call)
{
    long length = request->content_length;

    return call->who.role == ROLE_AGENT && call->route->methods & METHOD_POST &&
           (length < 0 || (length > UNCHECKED_REPORT && (size_t)length <= call->route->body_limit));
}

/* The body of a GET or DELETE means nothing (RFC 9110 section 9.3.1), but it has a limit like any
 * other. */
static enum err parse_input(struct request *request, struct call *call, struct error *e)
{
    const struct route *route = call->route;
    enum err err = ERR_OK;

    call->weight = first_weight(call);
    if (!(route->methods & METHOD_POST))
        err = request_discard_body(request, route->body_limit, e);
    return err || !route->parse ? err : route->parse(request, call, e);
}

static enum err check_and_parse(struct auth *auth, struct request *request,
                                const struct segment *id, struct call *call, struct error *e)
{
    const struct route *route = call->route;

    call->outcome = OUTCOME_WAIT;
    enum err err = authorise(auth, request, call, e);
    if (!err)
        err = parse_instance(request, call, e);
    if (!err && id->text && !ident_valid(id->text, id->length))
        err = error_public(e, ERR_REQUEST, "Malformed identifier in the path");
    if (!err && id->text)
        memcpy(call->id, id->text, id->length);
    if (!err)
        err = query_parse(request->query, route->parameters, &call->query, e);
    if (route->list)
        call->format = list_format(request->accept);
    if (err || !is_large_report(request, call))
        return err ? err : parse_input(request, call, e);
    call->outcome = OUTCOME_CONTINUE;
    call->next = route;
    call->route = &route_admission;
    call->weight = 1;
    return ERR_OK;
}

void dispatch_request(const struct settings *settings, struct auth *auth, struct request *request,
                      struct call *call)
{
    struct error e = {0};
    unsigned allow = 0;
    struct segment id = {0};
    enum err err = ERR_OK;

    strcpy(call->request_id, request->id);
    call->route = route_find(request->path, request->method, &allow, &id);
    if (!allow)
        call_respond(call, response_error(ERR_NOT_FOUND, NULL));
    else if (is_preflight(settings, request))
        call_respond(call, response_preflight(allow));
    else if (!call->route)
        call_respond(call, response_method(allow));
    else if ((err = check_and_parse(auth, request, &id, call, &e)))
        call_respond(call, response_error(err, &e));
    else if (call->route->immediate)
        dispatch_batch(NULL, &call, 1);
}

void dispatch_continue(struct request *request, struct call *call)
{
    struct error e = {0};

    call->outcome = OUTCOME_WAIT;
    call->route = call->next;
    enum err err = parse_input(request, call, &e);
    if (err)
        call_respond(call, response_error(err, &e));
}

struct task {
    const struct route *route;
    struct call **calls;
    size_t count;
};

static enum err run_handler(struct db *db, void *context, struct error *e)
{
    struct task *task = context;

    for (size_t i = 0; i < task->count; i++)
        task->calls[i]->wakes = WAIT_NOTHING; /* left by an attempt whose commit failed */
    return task->route->batch ? task->route->batch(db, task->calls, task->count, e)
                              : task->route->handle(db, task->calls[0], e);
}

/* Returns whether a call may have failed on its own data, so that trying the batch's calls one by
 * one helps. One agent with a value that the database refuses must not fail the reports of the 499
 * others, and again each time they are repeated. */
static bool is_own_fault(enum err err)
{
    return err != ERR_DB_AWAY && err != ERR_DB_BUSY && err != ERR_DB_SCHEMA &&
           err != ERR_DB_CONFLICT;
}

/* Runs the handler in a transaction, and gives each call its response if that fails. Trying the
 * calls one by one ends as soon as the fault is the database's: the others would wait for the same
 * timeout, one after the other. */
static enum err handle_distinct(struct db *db, struct call **calls, size_t count)
{
    struct task task = {calls[0]->route, calls, count};
    struct error e = {0};
    enum err err = task.route->immediate ? run_handler(db, &task, &e)
                                         : db_run(db, task.route->mode, run_handler, &task, &e);

    for (size_t i = 0; err && i < count; i++) {
        if (count == 1 || !is_own_fault(err)) {
            call_refuse(calls[i], err, &e);
            continue;
        }
        enum err alone = handle_distinct(db, &calls[i], 1);
        if (alone && !is_own_fault(alone)) /* the others would fail too */
            err = error_set(&e, alone, "the database failed in the middle of a batch");
    }
    return err;
}

static int compare_callers(const void *a, const void *b)
{
    return scope_compare(&(*(struct call *const *)a)->scope, &(*(struct call *const *)b)->scope);
}

/* Sorts the calls by caller, and moves duplicates to the end: ten browser tabs of one user are one
 * caller of the statement. Rows are assigned to callers by a binary search, so these must be
 * sorted. Returns the number of distinct callers. */
static size_t put_equal_last(struct call **calls, size_t count)
{
    struct call **equal = xcalloc(count, sizeof *equal);
    size_t distinct = 0;

    qsort(calls, count, sizeof *calls, compare_callers);
    for (size_t i = 0; i < count; i++) {
        if (distinct && compare_callers(&calls[distinct - 1], &calls[i]) == 0) {
            calls[i]->same = calls[distinct - 1];
            equal[i - distinct] = calls[i];
        } else {
            calls[distinct++] = calls[i];
        }
    }
    memcpy(calls + distinct, equal, (count - distinct) * sizeof *equal);
    free(equal);
    return distinct;
}

/* Only after the commit, and only for what succeeded: the audit must not name what did not
 * happen. */
static void notify(const struct call *call)
{
    bool failed = call->outcome == OUTCOME_DONE && call->response->error;
    char arguments[AUDIT_DETAIL_MAX + 1];

    if (call->route->notify && !failed)
        call->route->notify(call);
    if (call->route->action && !failed) {
        query_format(&call->query, NULL, arguments, sizeof arguments);
        auditor_note(call, call->route->action, NULL, arguments);
    }
}

enum err dispatch_batch(struct db *db, struct call **calls, size_t count)
{
    size_t distinct = calls[0]->route->shared ? put_equal_last(calls, count) : count;
    enum err err = handle_distinct(db, calls, distinct);

    for (size_t i = distinct; i < count; i++)
        call_respond(calls[i], response_hold(calls[i]->same->response));
    for (size_t i = 0; i < count; i++)
        notify(calls[i]);
    return err;
}
