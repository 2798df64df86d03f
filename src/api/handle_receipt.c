/* SPDX-License-Identifier: MIT */
/* GET /api/sessions/:id: a session, the outcome of its termination, and its commands. */
#include "config.h"
#include "api/call.h"

#include <json.h>
#include <stdlib.h>

static void add_text(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, text ? json_object_new_string(text) : NULL);
}

static void add_number(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, text ? json_object_new_int64(atoll(text)) : NULL);
}

static struct json_object *termination_of(const struct receipt *receipt)
{
    if (!receipt->requested_by)
        return NULL;
    struct json_object *item = json_object_new_object();
    add_text(item, "requested_by", receipt->requested_by);
    add_text(item, "requested_at", receipt->requested_at);
    add_text(item, "delivered_at", receipt->delivered_at);
    add_number(item, "attempts", receipt->attempts);
    add_text(item, "confirmed_at", receipt->confirmed_at);
    add_text(item, "outcome", receipt->outcome);
    add_text(item, "requested_by_username", receipt->requested_by_username);
    add_text(item, "reason", receipt->reason);
    return item;
}

static struct json_object *session_of(const struct receipt *receipt)
{
    struct json_object *item = json_object_new_object();

    add_text(item, "session_id", receipt->session_id);
    add_text(item, "agent_id", receipt->agent_id);
    add_text(item, "machine_name", receipt->machine_name);
    add_text(item, "user_id", receipt->user_id);
    add_text(item, "username", receipt->username);
    add_text(item, "source", receipt->source);
    add_text(item, "status", receipt->state);
    add_text(item, "started_at", receipt->started_at);
    add_text(item, "browser", receipt->browser);
    add_text(item, "os", receipt->os);
    add_text(item, "ended_at", receipt->ended_at);
    add_text(item, "close_reason", receipt->close_reason);
    json_object_object_add(item, "termination", termination_of(receipt));
    add_number(item, "exit_code", receipt->exit_code);
    json_object_object_add(item, "recorded", json_object_new_boolean(!receipt->not_recorded));
    add_text(item, "not_recorded_reason", receipt->not_recorded);
    add_text(item, "source_address", receipt->source_address);
    add_text(item, "last_activity_at", receipt->last_activity_at);
    return item;
}

static struct json_object *log_of(const struct log_entry *entry)
{
    struct json_object *item = json_object_new_object();

    add_text(item, "command", entry->command);
    add_text(item, "timestamp", entry->executed_at);
    json_object_object_add(item, "success",
                           entry->success ? json_object_new_boolean(*entry->success != '0') : NULL);
    return item;
}

enum err handle_receipt(struct db *db, struct call *call, struct error *e)
{
    struct receipt receipt;
    struct log_entry entry;
    enum err err = sessions_receipt(db, &call->scope, call->id, &receipt, e);
    if (err)
        return err;

    struct json_object *body = json_object_new_object(), *logs = json_object_new_array();
    json_object_object_add(body, "session", session_of(&receipt));
    json_object_object_add(body, "logs", logs);
    err = sessions_log(db, call->id, e);
    while (sessions_log_next(db, &entry))
        json_object_array_add(logs, log_of(&entry));
    if (err)
        json_object_put(body);
    else
        call_respond(call, response_json(200, body));
    return err;
}
