/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/heavy_callers.h"
#include "api/metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"

struct call *call_new(void)
{
    return xcalloc(1, sizeof(struct call));
}

void call_free(struct call *call)
{
    if (!call)
        return;
    if (call->report)
        call->report_free(call->report);
    response_release(call->response);
    query_free(&call->query);
    free(call);
}

void call_respond(struct call *call, struct response *response)
{
    response_release(call->response);
    call->response = response;
    call->outcome = OUTCOME_DONE;
}

void call_refuse(struct call *call, enum err err, const struct error *e)
{
    struct response *response = response_error(err, e);

    if (call->route->unavailable) {
        struct response *better = call->route->unavailable(call);
        better->error = err;
        memcpy(better->detail, response->detail, sizeof better->detail);
        response_release(response);
        response = better;
    }
    call_respond(call, response);
}

void call_log(const struct call *call, const struct request *request,
              const struct settings *settings)
{
    const struct route *route = call->next ? call->next : call->route;
    const struct principal *who = &call->who;

    metrics_request(route, call->response->status, clock_us() - request->received);
    response_log(call->response, request);
    if (!settings->log.requests)
        return;
    log_event(LEVEL_INFO, "access",
              "id=%s method=%s route=\"%s\" status=%d duration_ms=%lld user=%s tenant=%s role=%s",
              request->id, request_method_name(request->method), route ? route->pattern : "",
              call->response->status, (long long)(clock_us() - request->received) / 1000,
              who->user_id, who->tenant_id, *who->user_id ? role_names[who->role] : "");
}

bool call_key(const struct call *call, char out[CALL_KEY_MAX])
{
    const char *pattern = call->route->pattern;
    const struct scope *scope = &call->scope;
    bool batched = call->weight > 0; /* the key leaves out the user, or an admin's tenant */

    if (!call->route->shared)
        return call->route->batch && snprintf(out, CALL_KEY_MAX, "%s", pattern) > 0;
    /* No part contains a line feed, so two keys are equal only if all parts are. */
    int length = snprintf(out, CALL_KEY_MAX, "%s\n%d\n%s\n%s\n%s\n%d\n", pattern, (int)scope->kind,
                          batched && scope->kind == SCOPE_TENANT ? "" : scope->tenant_id,
                          batched ? "" : scope->user_id, call->id, (int)call->format);
    size_t left = CALL_KEY_MAX - (size_t)length;
    return query_format(&call->query, NULL, out + length, left) < left;
}

struct callers calls_callers(struct call **calls, size_t count)
{
    struct callers callers = {count, xcalloc(count, sizeof *callers.scopes),
                              count > 1 || calls[0]->measure, xcalloc(count, sizeof *callers.rows)};

    for (size_t i = 0; i < count; i++)
        callers.scopes[i] = &calls[i]->scope;
    return callers;
}

void calls_loaded(struct call **calls, struct callers *callers)
{
    for (size_t i = 0; callers->several && i < callers->count; i++)
        heavy_callers_note(calls[i]->route->pattern, callers->scopes[i], callers->rows[i]);
    free(callers->scopes);
    free(callers->rows);
}
