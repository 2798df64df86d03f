/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/session_open.h"

#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "machine/ipc.h"
#include "agent/attribution.h"
#include "base/log.h"

static void on_opened(struct session_open *opener, const char *id, const struct json_object *answer)
{
    const char *status = ipc_text(answer, "status");

    session_resend_activity(opener->agent->sessions, id);
    if (status && strcmp(status, "active") != 0 &&
        session_can_request_end(opener->agent->sessions, id))
        opener->end_requested = true;
}

enum http_outcome session_open_send(struct session_open *opener, struct json_object *opening,
                                    struct error *e)
{
    struct json_object *answer;

    attribute_session(opening, &opener->agent->options->agent.trusted_users);
    const char *text = json_object_to_json_string_ext(opening, JSON_C_TO_STRING_PLAIN);
    const struct http_request request = {.path = "/api/agent/sessions",
                                         .body = text,
                                         .required_member = "status",
                                         .timeout = HTTP_TIMEOUT};
    enum http_outcome outcome = http_call(opener->http, &request, &answer, e);
    if (answer)
        on_opened(opener, ipc_text(opening, "session_id"), answer);
    json_object_put(answer);
    json_object_put(opening);
    return outcome;
}

/* Opens a session again that vsay has lost. This must precede anything else about the session,
 * which vsay would refuse. Returns HTTP_MISSING when the session is not held here. */
static enum http_outcome repeat(struct session_open *opener, const char *id)
{
    char *text = session_opening(opener->agent->sessions, id);
    struct json_object *opening = text ? json_tokener_parse(text) : NULL;
    struct error e = {0};

    free(text);
    if (!opening)
        return HTTP_MISSING;
    json_object_object_add(opening, "seq",
                           json_object_new_int64(sequence_next(opener->agent->sequence)));
    enum http_outcome outcome = session_open_send(opener, opening, &e);
    bool done = outcome == HTTP_DONE;
    log_event(done ? LEVEL_INFO : LEVEL_WARNING, "session_reopen", "session=%s%s%s%s", id,
              done ? "" : " detail=\"", done ? "" : e.detail, done ? "" : "\"");
    return outcome;
}

void session_open_repeat_all(struct session_open *opener, struct json_object *unknown)
{
    enum http_outcome outcome = HTTP_DONE;

    for (size_t i = 0; i < json_object_array_length(unknown); i++) {
        if (outcome == HTTP_DONE || outcome == HTTP_MISSING || outcome == HTTP_REFUSED)
            outcome = repeat(opener, ipc_text_at(unknown, i));
    }
}

/* Returns the session of the command that an error is about, if vsay does not know the session. The
 * caller puts *command, from which the id is borrowed. */
static const char *missing_session(const struct json_object *error, const struct record *records,
                                   size_t count, struct json_object **command)
{
    struct json_object *index = NULL;
    const char *why = ipc_text(error, "error");

    *command = NULL;
    json_object_object_get_ex(error, "index", &index);
    int64_t i = json_object_get_int64(index);
    if (!why || strcmp(why, "No such session") != 0 || i < 0 || (size_t)i >= count)
        return NULL;
    *command = json_tokener_parse(records[i].line);
    return ipc_text(*command, "session_id");
}

enum http_outcome session_open_repair(struct session_open *opener, struct json_object *errors,
                                      const struct record *records, size_t count)
{
    struct json_object *tried = json_object_new_object();
    enum http_outcome all = HTTP_MISSING;

    for (size_t i = 0; i < json_object_array_length(errors); i++) {
        struct json_object *command;
        const char *id =
            missing_session(json_object_array_get_idx(errors, i), records, count, &command);
        if (id && !json_object_object_get_ex(tried, id, NULL)) {
            json_object_object_add(tried, id, NULL);
            enum http_outcome outcome = repeat(opener, id);
            if (outcome != HTTP_MISSING && outcome != HTTP_REFUSED)
                all = outcome;
        }
        json_object_put(command);
        if (all != HTTP_MISSING && all != HTTP_DONE)
            break;
    }
    json_object_put(tried);
    return all;
}

bool session_open_take_end_request(struct session_open *opener)
{
    bool requested = opener->end_requested;

    opener->end_requested = false;
    return requested;
}
