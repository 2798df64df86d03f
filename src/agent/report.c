/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/report.h"

#include <json.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/link.h"
#include "agent/moment.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/utf8.h"
#include "common/ident.h"

enum { NAME_MAX_BYTES = 255, LABEL_MAX = 256, TIME_MAX = 64, COMMAND_MAX = 65535, REASON_MAX = 64 };

/* --- members --------------------------------------------------------------------------------- */

static struct json_object *member(const struct json_object *object, const char *name)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(object, name, &value);
    return value;
}

/* Text of 1 to `max` bytes, without NUL and, if `line`, other control characters; or NULL. */
static const char *text_member(const struct json_object *packet, const char *name, size_t max,
                               bool line)
{
    const char *text = link_text(packet, name);
    size_t length = text ? (size_t)json_object_get_string_len(member(packet, name)) : 0;

    if (length < 1 || length > max || strlen(text) != length || !utf8_valid(text, length))
        return NULL;
    for (size_t i = 0; line && i < length; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return NULL;
    }
    return text;
}

static void put_text(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, text ? json_object_new_string(text) : NULL);
}

static struct json_object *new_record(const char *type, const char *session_id)
{
    struct json_object *record = json_object_new_object();

    put_text(record, "type", type);
    put_text(record, "session_id", session_id);
    return record;
}

/* --- opening --------------------------------------------------------------------------------- */

static void login_name(uid_t uid, char *out, size_t room)
{
    char buffer[4096];
    struct passwd entry, *found = NULL;

    if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found && *entry.pw_name)
        snprintf(out, room, "%s", entry.pw_name);
    else
        snprintf(out, room, "uid_%lu", (unsigned long)uid);
}

static bool is_trusted(uid_t uid, const char *login, const struct strlist *trusted)
{
    bool found = uid == 0 || uid == getuid();

    for (size_t i = 0; i < trusted->count && !found; i++)
        found = strcmp(trusted->items[i], login) == 0;
    return found;
}

static void make_identifier(char *name)
{
    for (char *c = name; *c; c++) {
        if (!ident_valid(c, 1))
            *c = '_';
    }
}

/* Whose session it is: of the user that the packet names, or else of `uid`. */
static bool put_user(struct json_object *record, const struct json_object *packet, uid_t uid,
                     const struct strlist *trusted)
{
    char login[IDENT_MAX + 1];
    const char *user = link_text(packet, "user_id"), *name = link_text(packet, "username");

    login_name(uid, login, sizeof login);
    if ((user || name) && !is_trusted(uid, login, trusted)) {
        log_event(LEVEL_WARNING, "user_not_trusted", "login=\"%s\"", login);
        user = name = NULL;
    }
    if (name && !text_member(packet, "username", NAME_MAX_BYTES, true))
        return false;
    if (user && !ident_valid(user, strlen(user)))
        return false;
    put_text(record, "username", name ? name : user ? user : login);
    make_identifier(login);
    put_text(record, "user_id", user ? user : login);
    return true;
}

static bool is_source(const char *text)
{
    static const char *const sources[] = {"ui", "cli", "vscode"};

    for (size_t i = 0; text && i < sizeof sources / sizeof *sources; i++) {
        if (strcmp(text, sources[i]) == 0)
            return true;
    }
    return false;
}

struct json_object *report_opening(const struct json_object *packet, uid_t uid,
                                   const struct strlist *trusted, int64_t seq)
{
    const char *id = link_text(packet, "session_id"), *source = link_text(packet, "source");
    const char *started = text_member(packet, "started_at", TIME_MAX, true);
    struct json_object *record = new_record("open", id);

    if (!is_source(source) || !put_user(record, packet, uid, trusted)) {
        json_object_put(record);
        return NULL;
    }
    put_text(record, "source", source);
    put_text(record, "browser", text_member(packet, "browser", LABEL_MAX, true));
    put_text(record, "os", text_member(packet, "os", LABEL_MAX, true));
    if (started)
        put_text(record, "started_at", started);
    json_object_object_add(record, "seq", json_object_new_int64(seq));
    return record;
}

/* --- command, end ---------------------------------------------------------------------------- */

struct json_object *report_command(const struct json_object *packet, const char *session_id,
                                   int64_t *seq)
{
    struct json_object *number = member(packet, "seq"), *success = member(packet, "success");
    const char *command = text_member(packet, "command", COMMAND_MAX, false);
    const char *timestamp = text_member(packet, "timestamp", TIME_MAX, true);

    *seq = json_object_is_type(number, json_type_int) ? json_object_get_int64(number) : 0;
    if (*seq < 1 || !command || !timestamp ||
        (success && !json_object_is_type(success, json_type_boolean)))
        return NULL;
    struct json_object *record = new_record("command", session_id);
    json_object_object_add(record, "seq", json_object_new_int64(*seq));
    put_text(record, "command", command);
    put_text(record, "timestamp", timestamp);
    json_object_object_add(record, "success", json_object_get(success));
    return record;
}

static struct json_object *new_end(const char *session_id, const char *reason, const char *ended_at)
{
    char now[MOMENT_SIZE];
    struct json_object *record = new_record("end", session_id);

    moment_text(now);
    put_text(record, "reason", reason);
    put_text(record, "ended_at", ended_at ? ended_at : now);
    return record;
}

struct json_object *report_end(const struct json_object *packet, const char *session_id)
{
    const char *reason = text_member(packet, "reason", REASON_MAX, true);
    struct json_object *code = member(packet, "exit_code");
    struct json_object *record = new_end(session_id, reason ? reason : "exited",
                                         text_member(packet, "ended_at", TIME_MAX, true));

    if (json_object_is_type(code, json_type_int) && json_object_get_int64(code) >= 0 &&
        json_object_get_int64(code) <= 255)
        json_object_object_add(record, "exit_code", json_object_get(code));
    return record;
}

struct json_object *report_own_end(const char *session_id, const char *reason)
{
    return new_end(session_id, reason, NULL);
}
