/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/call.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The client gets the route's own response, but the log still names the error. */
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

/* Decides which calls may share a response; nothing else does. A key that leaves something out
 * would show one caller another one's rows, so every part on which the response depends is in it. A
 * batch leaves out the caller, since its rows come back with the caller's id. */
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

/* --- heavy callers ---------------------------------------------------------------------------- */

/* A user with 10,000 machines makes the database read 10,000 rows, for which all callers of the
 * batch would wait. Only the rows that were read for a user tell, so they are counted and
 * remembered. From about 100 rows on, reading them costs more than the statement that a batch
 * saves. A minute later the rows are counted again, since machines come and go. */
enum { ROWS_MAX = 100, KNOWN_FOR = 60 /* s */, SLOTS = 4096 };

/* A heavy caller is 48 bits of a hash and 16 bits of time in seconds, so one atomic word holds it
 * and io threads need no lock. A newer one replaces an older one in the same slot. A caller that is
 * forgotten, or taken for another one, is served all the same, only less cheaply. */
static _Atomic uint64_t slots[SLOTS];

/* FNV-1a over the text and its NUL. */
static uint64_t add_text(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    while (*text++);
    return hash;
}

static uint64_t hash_of(const char *pattern, const struct scope *caller)
{
    uint64_t hash = add_text(14695981039346656037u, pattern);

    return add_text(add_text(hash, caller->tenant_id), caller->user_id);
}

static uint16_t seconds_now(void)
{
    return (uint16_t)(clock_ms() / 1000);
}

bool call_is_heavy(struct call *call)
{
    uint64_t hash = hash_of(call->route->pattern, &call->scope);
    uint64_t slot = atomic_load(&slots[hash % SLOTS]);
    bool heavy = slot >> 16 == hash >> 16;

    call->measure = heavy && (uint16_t)(seconds_now() - slot) > KNOWN_FOR;
    return heavy;
}

/* Records how many rows were read for a caller. */
static void note_rows(const char *pattern, const struct scope *caller, uint64_t rows)
{
    uint64_t hash = hash_of(pattern, caller), slot = atomic_load(&slots[hash % SLOTS]);

    if (rows > ROWS_MAX)
        atomic_store(&slots[hash % SLOTS], hash >> 16 << 16 | seconds_now());
    else if (slot >> 16 == hash >> 16)
        atomic_store(&slots[hash % SLOTS], 0);
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
        note_rows(calls[i]->route->pattern, callers->scopes[i], callers->rows[i]);
    free(callers->scopes);
    free(callers->rows);
}
