/* SPDX-License-Identifier: MIT */
/* POST /api/agent/activity: commands that were run in an agent's sessions. A malformed entry is
 * reported back and the others are stored, since the agent would otherwise send the same batch for
 * ever. */
#include "config.h"
#include "api/handle_agent.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_body.h"
#include "base/utf8.h"
#include "base/xalloc.h"

/* The weight of a report in a batch. Long commands weigh more than their number: 8 KB count as one
 * more entry, so that a transaction is bounded in bytes too. */
enum { ENTRIES_MAX = BATCH_WEIGHT_MAX, BYTES_WEIGH_ONE = 8192 };

static void activity_free(void *report)
{
    struct activity *activity = report;

    for (size_t i = 0; i < activity->count; i++)
        free(activity->entries[i].command);
    free(activity->entries);
    free(activity);
}

/* Unlike other text, a command may contain line ends and tabs: a here-document is a command too. */
static enum err parse_command(struct json_object *item, struct entry *out, struct error *e)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(item, "command", &value);
    if (!json_object_is_type(value, json_type_string))
        return json_body_wrong("command", e);
    size_t length = (size_t)json_object_get_string_len(value);
    const char *text = json_object_get_string(value);
    if (length < 1 || length > MEMBER_COMMAND || strlen(text) != length ||
        !utf8_valid(text, length))
        return json_body_wrong("command", e);
    out->command = xstrdup(text);
    return ERR_OK;
}

static enum err parse_success(struct json_object *item, struct entry *out, struct error *e)
{
    struct json_object *value = NULL;

    out->success = -1;
    json_object_object_get_ex(item, "success", &value);
    if (value && !json_object_is_type(value, json_type_boolean))
        return error_public(e, ERR_REQUEST, "success is true, false or null");
    if (value)
        out->success = json_object_get_boolean(value);
    return ERR_OK;
}

/* An invalid entry is no error of the request: the entry keeps the fault. */
static void parse_entry(struct json_object *item, struct entry *out)
{
    struct error e = {0};
    int64_t seq = 0, exit_code = -1;

    if (!json_object_is_type(item, json_type_object)) {
        out->fault = "An entry is an object";
        return;
    }
    enum err err = json_body_ident(item, "session_id", REQUIRED, out->session_id, &e);
    if (!err)
        err = json_body_integer(item, "seq", REQUIRED, 1, PROTOCOL_INTEGER_MAX, &seq, &e);
    if (!err)
        err = parse_command(item, out, &e);
    if (!err)
        err = json_body_time(item, "timestamp", REQUIRED, out->at, &e);
    if (!err)
        err = parse_success(item, out, &e);
    if (!err)
        err = json_body_integer(item, "exit_code", OPTIONAL, 0, 255, &exit_code, &e);
    out->seq = (uint64_t)seq;
    out->exit_code = (int)exit_code;
    out->fault = err ? e.public_message : NULL;
}

static unsigned weight_of(const struct activity *activity)
{
    size_t bytes = 0;

    for (size_t i = 0; i < activity->count; i++)
        bytes += activity->entries[i].command ? strlen(activity->entries[i].command) : 0;
    size_t weight = activity->count + bytes / BYTES_WEIGH_ONE;
    return weight < 1 ? 1 : weight < BATCH_WEIGHT_MAX ? (unsigned)weight : BATCH_WEIGHT_MAX;
}

enum err parse_activity(struct request *request, struct call *call, struct error *e)
{
    struct activity *activity = xcalloc(1, sizeof *activity);
    struct json_object *body = NULL, *list = NULL;

    call->report = activity;
    call->report_free = activity_free;
    activity->agent = handler_agent(call);
    enum err err = json_body_read(request, call->route->body_limit, &body, e);
    if (!err)
        err = json_body_array(body, "activities", ENTRIES_MAX, &list, e);
    if (!err) {
        activity->count = json_object_array_length(list);
        activity->entries = xcalloc(activity->count, sizeof *activity->entries);
    }
    for (size_t i = 0; i < activity->count; i++)
        parse_entry(json_object_array_get_idx(list, i), &activity->entries[i]);
    call->weight = weight_of(activity);
    json_object_put(body);
    return err;
}

/* Runs before a large report is read: refuses agents that are not admitted; the other requests
 * continue. */
enum err handle_admissions(struct db *db, struct call **calls, size_t count, struct error *e)
{
    struct reporter *agents = xcalloc(count, sizeof *agents);
    struct reporter **sorted = xcalloc(count, sizeof *sorted);

    for (size_t i = 0; i < count; i++) {
        agents[i] = handler_agent(calls[i]);
        sorted[i] = &agents[i];
    }
    enum err err = agents_check(db, sorted, count, false, e);
    for (size_t i = 0; !err && i < count; i++) {
        if (agents[i].admitted)
            calls[i]->outcome = OUTCOME_CONTINUE;
        else
            call_respond(calls[i], response_not_admitted(&agents[i]));
    }
    free(sorted);
    free(agents);
    return err;
}

/* 200 even if all entries were refused: the agent shall not send them again. */
static struct response *activity_response(const struct activity *activity)
{
    struct json_object *body = json_object_new_object(), *errors = json_object_new_array();
    int64_t accepted = 0;

    for (size_t i = 0; i < activity->count; i++) {
        const struct entry *entry = &activity->entries[i];
        const char *wrong = entry->fault ? entry->fault : entry->refusal;
        if (!wrong) {
            accepted++;
            continue;
        }
        struct json_object *item = json_object_new_object();
        json_object_object_add(item, "index", json_object_new_int64((int64_t)i));
        json_object_object_add(item, "error", json_object_new_string(wrong));
        json_object_array_add(errors, item);
    }
    json_object_object_add(body, "accepted", json_object_new_int64(accepted));
    json_object_object_add(body, "errors", errors);
    return response_json(200, body);
}

enum err handle_activity(struct db *db, struct call **calls, size_t count, struct error *e)
{
    struct activity **activities = xcalloc(count, sizeof(struct activity *));

    for (size_t i = 0; i < count; i++)
        activities[i] = calls[i]->report;
    enum err err = agents_activity(db, activities, count, e);
    for (size_t i = 0; !err && i < count; i++)
        call_respond(calls[i], activities[i]->agent.admitted
                                   ? activity_response(activities[i])
                                   : response_not_admitted(&activities[i]->agent));
    free(activities);
    return err;
}
