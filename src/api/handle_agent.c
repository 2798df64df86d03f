/* SPDX-License-Identifier: MIT */
/* POST /api/agent/heartbeat, GET /api/agent/signals, POST /api/agent/sessions[/:id/end]: the
 * agents' half of the API. See docs/agent-protocol.md. */
#include "config.h"
#include "api/handle_agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api/json_body.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "store/signals.h"

/* In the weight of a batch, 20 listed sessions count as much as the heartbeat itself. */
enum { SESSIONS_WEIGH_ONE = 20 };

struct reporter handler_agent(const struct call *call)
{
    return (struct reporter){.agent_id = call->who.user_id,
                             .instance = call->instance,
                             .generation = call->who.generation};
}

struct response *response_not_admitted(const struct reporter *agent)
{
    struct error e = {0};
    enum err err = agents_refusal(agent, &e);

    return response_error(err, &e);
}

/* --- heartbeat ------------------------------------------------------------------------------- */

static void heartbeat_free(void *report)
{
    struct heartbeat *heartbeat = report;

    idents_free(&heartbeat->sessions);
    free(heartbeat->active);
    heartbeat_clear(heartbeat);
    free(heartbeat);
}

/* One malformed id refuses the whole heartbeat: if it were left out, vsay would take its session
 * for vanished. */
static enum err parse_sessions_member(struct json_object *body, struct idents *out, struct error *e)
{
    struct json_object *list = NULL;
    enum err err = json_body_array(body, "sessions", PROTOCOL_SESSIONS_MAX, &list, e);

    for (size_t i = 0; !err && i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        const char *text = json_object_get_string(item);
        if (json_object_is_type(item, json_type_string) &&
            ident_valid(text, (size_t)json_object_get_string_len(item)))
            idents_add(out, text);
        else
            err = json_body_wrong("sessions", e);
    }
    return err;
}

/* The times of the last activity, for some of the sessions of the list. Others are ignored, since
 * their places in `active` are those of the list. */
static enum err parse_activity_member(struct json_object *body, struct heartbeat *out,
                                      struct error *e)
{
    struct json_object *times = NULL;
    enum err err = ERR_OK;

    json_object_object_get_ex(body, "last_activity", &times);
    if (!times)
        return ERR_OK;
    if (!json_object_is_type(times, json_type_object))
        return json_body_wrong("last_activity", e);
    out->active = xcalloc(out->sessions.count, sizeof *out->active);
    for (size_t i = 0; !err && i < out->sessions.count; i++)
        err = json_body_time(times, out->sessions.items[i], OPTIONAL, out->active[i], e);
    return err ? json_body_wrong("last_activity", e) : ERR_OK;
}

static enum err parse_heartbeat_members(struct json_object *body, struct heartbeat *out,
                                        struct error *e)
{
    int64_t seq = 0, dropped = 0;
    enum err err = json_body_percent(body, "cpu_percent", &out->cpu, e);

    if (!err)
        err = json_body_percent(body, "memory_percent", &out->memory, e);
    if (!err)
        err = json_body_percent(body, "disk_percent", &out->disk, e);
    if (!err)
        err = parse_sessions_member(body, &out->sessions, e);
    if (!err)
        err = parse_activity_member(body, out, e);
    if (!err)
        err = json_body_integer(body, "seq", OPTIONAL, 1, PROTOCOL_INTEGER_MAX, &seq, e);
    if (!err)
        err = json_body_integer(body, "dropped", OPTIONAL, 0, PROTOCOL_INTEGER_MAX, &dropped, e);
    out->seq = (uint64_t)seq;
    out->dropped = (uint64_t)dropped;
    return err;
}

enum err parse_heartbeat(struct request *request, struct call *call, struct error *e)
{
    struct heartbeat *heartbeat = xcalloc(1, sizeof *heartbeat);
    struct json_object *body = NULL;

    call->report = heartbeat;
    call->report_free = heartbeat_free;
    heartbeat->agent = handler_agent(call);
    enum err err = json_body_read(request, call->route->body_limit, &body, e);
    if (!err)
        err = parse_heartbeat_members(body, heartbeat, e);
    json_object_put(body);
    call->weight += (unsigned)heartbeat->sessions.count / SESSIONS_WEIGH_ONE;
    return err;
}

static struct json_object *idents_json(const struct idents *idents)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < idents->count; i++)
        json_object_array_add(list, json_object_new_string(idents->items[i]));
    return list;
}

static struct json_object *termination_json(const char *session_id, const char *reason)
{
    struct json_object *item = json_object_new_object();

    json_object_object_add(item, "session_id", json_object_new_string(session_id));
    json_object_object_add(item, "reason", json_object_new_string(reason));
    return item;
}

/* Adds those of `terminate` that someone asked for. The others have no reason to show to a user. */
static void add_terminations(struct json_object *body, const struct heartbeat *heartbeat)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < heartbeat->terminate.count; i++) {
        const char *session_id = heartbeat->terminate.items[i], *reason = heartbeat->reasons[i];
        if (reason)
            json_object_array_add(list, termination_json(session_id, reason));
    }
    if (json_object_array_length(list))
        json_object_object_add(body, "terminations", list);
    else
        json_object_put(list);
}

static struct response *heartbeat_response(const struct heartbeat *heartbeat, long interval)
{
    struct json_object *body = json_object_new_object();

    json_object_object_add(body, "terminate", idents_json(&heartbeat->terminate));
    add_terminations(body, heartbeat);
    if (heartbeat->unknown.count)
        json_object_object_add(body, "unknown", idents_json(&heartbeat->unknown));
    json_object_object_add(body, "interval", json_object_new_int64(interval));
    return response_json(200, body);
}

enum err handle_heartbeats(struct db *db, struct call **calls, size_t count, struct error *e)
{
    struct heartbeat **heartbeats = xcalloc(count, sizeof(struct heartbeat *));

    for (size_t i = 0; i < count; i++)
        heartbeats[i] = calls[i]->report;
    enum err err = agents_heartbeats(db, heartbeats, count, e);
    for (size_t i = 0; !err && i < count; i++)
        call_respond(calls[i], heartbeats[i]->agent.admitted
                                   ? heartbeat_response(heartbeats[i],
                                                        db_settings(db)->agents.heartbeat_interval)
                                   : response_not_admitted(&heartbeats[i]->agent));
    free(heartbeats);
    return err;
}

static void log_outcome(const struct reporter *agent, const char *session, const char *reason,
                        const char *outcome)
{
    log_event(LEVEL_INFO, "session_outcome",
              "session=%s machine=%s tenant=%s reason=\"%s\" outcome=%s", session, agent->agent_id,
              agent->tenant_id, reason, outcome);
}

void notify_heartbeat(const struct call *call)
{
    const struct heartbeat *heartbeat = call->report;

    for (size_t i = 0; i < heartbeat->given_up.count; i++)
        log_outcome(&heartbeat->agent, heartbeat->given_up.items[i], "vanished", "vanished");
}

/* --- signals --------------------------------------------------------------------------------- */

/* One agent's poll. */
struct poll {
    struct reporter agent;
    struct json_object *signals; /* NULL: none yet */
};

static void poll_free(void *report)
{
    struct poll *poll = report;

    json_object_put(poll->signals);
    free(poll);
}

enum err parse_signals(struct request *request, struct call *call, struct error *e)
{
    struct poll *poll = xcalloc(1, sizeof *poll);

    (void)request;
    (void)e;
    call->report = poll;
    call->report_free = poll_free;
    poll->agent = handler_agent(call);
    call->wait = query_number(&call->query, "wait", 0);
    return ERR_OK;
}

static struct response *signals_response(struct json_object *signals)
{
    struct json_object *body = json_object_new_object();

    json_object_object_add(body, "signals", signals);
    return response_json(200, body);
}

struct response *timeout_signals(const struct call *call)
{
    (void)call;
    return signals_response(json_object_new_array());
}

/* Adds a signal to all polls for its machine in a batch. All but one of them are from agents that
 * have gone, and nothing tells which. False when there is none. */
static bool add_signal(struct call **calls, size_t count, const struct signal_row *signal)
{
    bool added = false;

    for (size_t i = 0; i < count; i++) {
        struct poll *poll = calls[i]->report;
        if (!signal_is_for(signal, &poll->agent))
            continue;
        struct json_object *item = json_object_new_object();
        json_object_object_add(item, "id", json_object_new_int64(signal->id));
        json_object_object_add(item, "type", json_object_new_string("terminate"));
        json_object_object_add(item, "session_id", json_object_new_string(signal->session_id));
        json_object_object_add(item, "reason", json_object_new_string(signal->reason));
        if (!poll->signals)
            poll->signals = json_object_new_array();
        json_object_array_add(poll->signals, item);
        added = true;
    }
    return added;
}

enum err handle_signals(struct db *db, struct call **calls, size_t count, struct error *e)
{
    struct reporter **agents = xcalloc(count, sizeof *agents);
    struct signal_row signal;
    struct rows taken = {0};

    for (size_t i = 0; i < count; i++) {
        struct poll *poll = calls[i]->report;
        json_object_put(poll->signals); /* from an earlier attempt */
        poll->signals = NULL;
        agents[i] = &poll->agent;
    }
    enum err err = signals_due(db, agents, count, e);
    while (signals_next(db, &signal)) {
        if (add_signal(calls, count, &signal))
            rows_uint(&taken, PARAM_ID, (uint64_t)signal.id);
    }
    if (!err) /* a signal that no poll got stays due */
        err = signals_lease(db, &taken, e);
    rows_free(&taken);
    for (size_t i = 0; !err && i < count; i++) {
        struct poll *poll = calls[i]->report;
        if (!poll->agent.admitted)
            call_respond(calls[i], response_not_admitted(&poll->agent));
        else if (poll->signals)
            call_respond(calls[i], signals_response(json_object_get(poll->signals)));
        else
            calls[i]->outcome = OUTCOME_WAIT;
    }
    free(agents);
    return err;
}

/* --- sessions -------------------------------------------------------------------------------- */

/* The start of a session, and the body that it borrows from. */
struct opening_report {
    struct session_open opening;
    struct json_object *body;
};

static void opening_free(void *report)
{
    json_object_put(((struct opening_report *)report)->body);
    free(report);
}

/* An id for agents that make none of their own: 128 random bits, so that no two sessions share one.
 * Such an agent cannot repeat an opening safely. */
static void new_session_id(char out[IDENT_MAX + 1])
{
    uint64_t random[2] = {0};

    if (getrandom(random, sizeof random, 0) != sizeof random)
        abort();
    snprintf(out, IDENT_MAX + 1, "sess_%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
}

static enum err parse_opening_members(struct json_object *body, struct session_open *out,
                                      struct error *e)
{
    const char *source = NULL;
    int64_t seq = 0;
    enum err err = json_body_ident(body, "session_id", OPTIONAL, out->session_id, e);

    if (!err && !*out->session_id)
        new_session_id(out->session_id);
    if (!err)
        err = json_body_user_id(body, out->user_id, e);
    if (!err)
        err = json_body_text(body, "username", REQUIRED, USERNAME_MAX, &out->username, e);
    if (!err)
        err = json_body_text(body, "source", REQUIRED, MEMBER_LABEL, &source, e);
    if (!err && !(out->source = protocol_source(source)))
        err = json_body_wrong("source", e);
    if (!err)
        err = json_body_text(body, "browser", OPTIONAL, MEMBER_LABEL, &out->browser, e);
    if (!err)
        err = json_body_text(body, "os", OPTIONAL, MEMBER_LABEL, &out->os, e);
    if (!err)
        err = json_body_ip(body, "source_address", OPTIONAL, out->source_address, e);
    if (!err)
        err = json_body_text(body, "not_recorded", OPTIONAL, MEMBER_WHY, &out->not_recorded, e);
    if (!err)
        err = json_body_time(body, "started_at", OPTIONAL, out->started_at, e);
    if (!err)
        err = json_body_integer(body, "seq", OPTIONAL, 1, PROTOCOL_INTEGER_MAX, &seq, e);
    out->seq = (uint64_t)seq;
    return err;
}

enum err parse_session_open(struct request *request, struct call *call, struct error *e)
{
    struct opening_report *report = xcalloc(1, sizeof *report);

    call->report = report;
    call->report_free = opening_free;
    report->opening.agent = handler_agent(call);
    enum err err = json_body_read(request, call->route->body_limit, &report->body, e);
    return err ? err : parse_opening_members(report->body, &report->opening, e);
}

/* 201 for a repeated opening too: an agent that got no response cannot know that the session is
 * open already. */
enum err handle_session_open(struct db *db, struct call *call, struct error *e)
{
    struct session_open *opening = &((struct opening_report *)call->report)->opening;
    enum err err = agents_open_session(db, opening, e);

    if (err)
        return err;
    struct json_object *body = json_object_new_object();
    json_object_object_add(body, "session_id", json_object_new_string(opening->session_id));
    json_object_object_add(body, "status", json_object_new_string(opening->state));
    call_respond(call, response_json(201, body));
    return ERR_OK;
}

struct ending_report {
    struct session_end ending;
    struct json_object *body;
};

static void ending_free(void *report)
{
    json_object_put(((struct ending_report *)report)->body);
    free(report);
}

static enum err parse_confirmed_member(struct json_object *body, struct session_end *out,
                                       struct error *e)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(body, "confirmed", &value);
    if (value && !json_object_is_type(value, json_type_boolean))
        return error_public(e, ERR_REQUEST, "confirmed is true, false or null");
    out->doubtful = value && !json_object_get_boolean(value);
    return ERR_OK;
}

enum err parse_session_end(struct request *request, struct call *call, struct error *e)
{
    struct ending_report *report = xcalloc(1, sizeof *report);
    struct session_end *ending = &report->ending;
    int64_t exit_code = -1;

    call->report = report;
    call->report_free = ending_free;
    ending->agent = handler_agent(call);
    ending->session_id = call->id;
    enum err err = json_body_read(request, call->route->body_limit, &report->body, e);
    if (!err)
        err = json_body_text(report->body, "reason", REQUIRED, MEMBER_REASON, &ending->reason, e);
    if (!err)
        err = json_body_time(report->body, "ended_at", OPTIONAL, ending->ended_at, e);
    if (!err)
        err = json_body_integer(report->body, "exit_code", OPTIONAL, 0, 255, &exit_code, e);
    ending->exit_code = (int)exit_code;
    return err ? err : parse_confirmed_member(report->body, ending, e);
}

enum err handle_session_end(struct db *db, struct call *call, struct error *e)
{
    enum err err = agents_end_session(db, &((struct ending_report *)call->report)->ending, e);

    if (err)
        return err;
    call->wakes = WAIT_END; /* DELETEs that wait for this end */
    strcpy(call->wake_key, call->id);
    call_respond(call, response_message(200, "Session ended"));
    return ERR_OK;
}

void notify_session_end(const struct call *call)
{
    const struct session_end *ending = &((const struct ending_report *)call->report)->ending;

    if (ending->outcome)
        log_outcome(&ending->agent, ending->session_id, ending->reason, ending->outcome);
}
