/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/session_open.h"

#include <errno.h>
#include <json.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "common/protocol.h"
#include "machine/ipc.h"

/* --- whom a session belongs to --------------------------------------------------------------- */

enum { ENTRY_SIZE = 4096, ENTRY_MAX = 1024 * 1024 };

/* Returns the login name of `uid`, or uid_NUMBER; the caller frees it. */
static char *login_name(uid_t uid)
{
    struct passwd entry, *found = NULL;
    char *buffer = NULL;
    size_t room = ENTRY_SIZE / 2;
    int status = ERANGE;

    while (status == EINTR || (status == ERANGE && room < ENTRY_MAX)) {
        room *= 2;
        buffer = xrealloc(buffer, room);
        status = getpwuid_r(uid, &entry, buffer, room, &found);
    }
    if (status)
        log_event(LEVEL_WARNING, "name_service", "uid=%lu detail=\"%s\"", (unsigned long)uid,
                  strerror(status));
    char *name = found && *found->pw_name ? xstrdup(found->pw_name)
                                          : xasprintf("uid_%lu", (unsigned long)uid);
    free(buffer);
    return name;
}

/* Root and the agent's own user are trusted anyway: they could write the spool. */
static bool is_trusted(uid_t uid, const char *login, const struct strlist *trusted)
{
    bool found = uid == 0 || uid == getuid();

    for (size_t i = 0; i < trusted->count && !found; i++)
        found = strcmp(trusted->items[i], login) == 0;
    return found;
}

/* Turns a login name into a valid user id, in place. */
static void make_identifier(char *name)
{
    for (char *c = name; *c; c++) {
        if (!ident_valid(c, 1))
            *c = '_';
    }
    if (strlen(name) > IDENT_MAX)
        name[IDENT_MAX] = '\0';
}

void session_open_attribute(struct json_object *opening, const struct strlist *trusted)
{
    uid_t uid = (uid_t)ipc_number(opening, "uid");
    char *login = login_name(uid), *identifier = xstrdup(login);
    make_identifier(identifier);
    if ((ipc_text(opening, "user_id") || ipc_text(opening, "username")) &&
        !is_trusted(uid, login, trusted)) {
        log_event(LEVEL_WARNING, "user_not_trusted", "login=\"%s\"", login);
        json_object_object_del(opening, "user_id");
        json_object_object_del(opening, "username");
    }
    const char *user = ipc_text(opening, "user_id");
    if (!ipc_text(opening, "username"))
        protocol_put(opening, "username",
                     user                                    ? user
                     : protocol_is_plain(login, MEMBER_NAME) ? login
                                                             : identifier);
    if (!user)
        protocol_put(opening, "user_id", identifier);
    free(identifier);
    free(login);
}

/* --- reporting it ---------------------------------------------------------------------------- */

/* vsay may have had the session all along, as closing: the report was repeated, or the order to end
 * it was faster. Its activity is sent again, since vsay ignored it while it lacked the session. */
static void on_opened(struct session_opener *opener, const char *id,
                      const struct json_object *response)
{
    const char *status = ipc_text(response, "status");

    session_resend_activity(opener->agent->sessions, id);
    if (status && strcmp(status, "active") != 0 &&
        session_can_request_end(opener->agent->sessions, id))
        opener->end_requested = true;
}

enum http_outcome session_open_send(struct session_opener *opener, struct json_object *opening,
                                    struct error *e)
{
    struct json_object *response;

    session_open_attribute(opening, &opener->agent->options->agent.trusted_users);
    const char *text = json_object_to_json_string_ext(opening, JSON_C_TO_STRING_PLAIN);
    const struct http_request request = {.path = "/api/agent/sessions",
                                         .body = text,
                                         .required_member = "status",
                                         .timeout = HTTP_TIMEOUT};
    enum http_outcome outcome = http_call(opener->http, &request, &response, e);
    if (response)
        on_opened(opener, ipc_text(opening, "session_id"), response);
    json_object_put(response);
    json_object_put(opening);
    return outcome;
}

/* Opens a session again that vsay has lost. This must precede anything else about the session,
 * which vsay would refuse. Returns HTTP_MISSING when the session is not held here. */
static enum http_outcome repeat(struct session_opener *opener, const char *id)
{
    char *text = session_opening(opener->agent->sessions, id);
    struct json_object *opening = text ? json_tokener_parse(text) : NULL;
    struct error e = {0};

    free(text);
    if (!opening)
        return HTTP_MISSING;
    json_object_object_add(opening, "seq",
                           json_object_new_int64(identity_next_seq(opener->agent->identity)));
    enum http_outcome outcome = session_open_send(opener, opening, &e);
    if (outcome == HTTP_DONE)
        log_event(LEVEL_INFO, "session_reopen", "session=%s", id);
    else
        log_event(LEVEL_WARNING, "session_reopen", "session=%s detail=\"%s\"", id, e.detail);
    return outcome;
}

/* One refused session must not keep the others closed, but without a response it is useless to go
 * on. */
void session_open_repeat_all(struct session_opener *opener, struct json_object *unknown)
{
    enum http_outcome outcome = HTTP_DONE;

    for (size_t i = 0; i < json_object_array_length(unknown); i++) {
        if (outcome == HTTP_DONE || outcome == HTTP_MISSING || outcome == HTTP_REFUSED)
            outcome = repeat(opener, ipc_text_at(unknown, i));
    }
}

/* Returns the session of the command that an error is about, if vsay does not know the session. The
 * caller releases *command, from which the id is borrowed. */
static const char *missing_session(const struct json_object *error, const struct record *records,
                                   size_t count, struct json_object **command)
{
    const char *why = ipc_text(error, "error");
    int64_t i = ipc_number(error, "index");

    *command = NULL;
    if (!why || strcmp(why, "No such session") != 0 || i < 0 || (size_t)i >= count)
        return NULL;
    *command = json_tokener_parse(records[i].line);
    return ipc_text(*command, "session_id");
}

enum http_outcome session_open_repair(struct session_opener *opener, struct json_object *errors,
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

bool session_open_take_end_request(struct session_opener *opener)
{
    bool requested = opener->end_requested;

    opener->end_requested = false;
    return requested;
}
