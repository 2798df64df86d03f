/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/report.h"

#include <json.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "common/address.h"
#include "common/protocol.h"
#include "machine/ipc.h"

/* --- members --------------------------------------------------------------------------------- */

static struct json_object *member(const struct json_object *object, const char *name)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(object, name, &value);
    return value;
}

/* Returns a member's text, or NULL when it is missing, not a string, or contains a NUL. */
static const char *text_member(const struct json_object *packet, const char *name)
{
    const char *text = ipc_text(packet, name);

    return text && strlen(text) == (size_t)json_object_get_string_len(member(packet, name)) ? text
                                                                                            : NULL;
}

static const char *plain_member(const struct json_object *packet, const char *name, size_t max)
{
    const char *text = text_member(packet, name);

    return protocol_is_plain(text, max) ? text : NULL;
}

static const char *time_member(const struct json_object *packet, const char *name)
{
    const char *text = text_member(packet, name);
    char sql[SQL_TIME_LENGTH + 1];

    return text && clock_parse(text, sql) ? text : NULL;
}

static struct json_object *new_record(const char *type, const char *session_id, uid_t uid)
{
    struct json_object *record = json_object_new_object();

    protocol_put(record, "type", type);
    protocol_put(record, "session_id", session_id);
    json_object_object_add(record, "uid", json_object_new_int64(uid));
    return record;
}

/* --- opening --------------------------------------------------------------------------------- */

/* Copies the user that the packet names, if any. Returns false when a name is malformed. */
static bool put_user(struct json_object *record, const struct json_object *packet)
{
    const char *user = ipc_text(packet, "user_id"), *name = ipc_text(packet, "username");

    if (name && !plain_member(packet, "username", MEMBER_NAME))
        return false;
    if (user && !ident_valid_user(user, strlen(user)))
        return false;
    if (name)
        protocol_put(record, "username", name);
    if (user)
        protocol_put(record, "user_id", user);
    return true;
}

/* Copies a valid address, in the normalised form that vsay stores. */
static void put_source_address(struct json_object *record, const struct json_object *packet)
{
    const char *text = text_member(packet, "source_address");
    char address[ADDRESS_IP_MAX + 1];

    if (text && address_ip(text, strlen(text), address))
        protocol_put(record, "source_address", address);
}

/* Only a wrong source or user refuses the session. A malformed label is left out, since the record
 * of a session is worth more than its browser's name. */
struct json_object *report_opening(const struct json_object *packet, uid_t uid)
{
    const char *source = ipc_text(packet, "source"), *started = time_member(packet, "started_at");
    struct json_object *record = new_record("open", ipc_text(packet, "session_id"), uid);

    if (!protocol_source(source) || !put_user(record, packet)) {
        json_object_put(record);
        return NULL;
    }
    protocol_put(record, "source", source);
    protocol_put(record, "browser", plain_member(packet, "browser", MEMBER_LABEL));
    protocol_put(record, "os", plain_member(packet, "os", MEMBER_LABEL));
    put_source_address(record, packet);
    if (plain_member(packet, "not_recorded", MEMBER_WHY))
        protocol_put(record, "not_recorded", plain_member(packet, "not_recorded", MEMBER_WHY));
    if (started)
        protocol_put(record, "started_at", started);
    return record;
}

/* --- command, end ---------------------------------------------------------------------------- */

/* Returns the command. Unlike other texts it may contain control characters. */
static const char *command_member(const struct json_object *packet)
{
    const char *text = text_member(packet, "command");
    size_t length = text ? strlen(text) : 0;

    return length > 0 && length <= MEMBER_COMMAND && utf8_valid(text, length) ? text : NULL;
}

/* Copies the exit code, if it is one. */
static void put_exit_code(struct json_object *record, const struct json_object *packet)
{
    struct json_object *code = member(packet, "exit_code");

    if (json_object_is_type(code, json_type_int) && json_object_get_int64(code) >= 0 &&
        json_object_get_int64(code) <= 255)
        json_object_object_add(record, "exit_code", json_object_get(code));
}

struct json_object *report_command(const struct json_object *packet, const char *session_id,
                                   uid_t uid, int64_t *seq)
{
    struct json_object *number = member(packet, "seq"), *success = member(packet, "success");
    const char *command = command_member(packet), *timestamp = time_member(packet, "timestamp");

    *seq = json_object_is_type(number, json_type_int) ? json_object_get_int64(number) : 0;
    if (*seq < 1 || *seq > PROTOCOL_INTEGER_MAX || !command || !timestamp ||
        (success && !json_object_is_type(success, json_type_boolean)))
        return NULL;
    struct json_object *record = new_record("command", session_id, uid);
    json_object_object_add(record, "seq", json_object_new_int64(*seq));
    protocol_put(record, "command", command);
    protocol_put(record, "timestamp", timestamp);
    json_object_object_add(record, "success", json_object_get(success));
    put_exit_code(record, packet);
    return record;
}

/* Without a usable time it ended now, which is when the agent learned of it. */
static struct json_object *new_end(const char *session_id, uid_t uid, const char *reason,
                                   const char *ended_at)
{
    char now[CLOCK_TEXT_SIZE];
    struct json_object *record = new_record("end", session_id, uid);

    clock_text(now);
    protocol_put(record, "reason", reason);
    protocol_put(record, "ended_at", ended_at ? ended_at : now);
    return record;
}

struct json_object *report_end(const struct json_object *packet, const char *session_id, uid_t uid)
{
    const char *reason = plain_member(packet, "reason", MEMBER_REASON);
    struct json_object *record =
        new_end(session_id, uid, reason ? reason : "exited", time_member(packet, "ended_at"));

    put_exit_code(record, packet);
    return record;
}

/* No session may look active in the future. */
int64_t report_activity(const struct json_object *packet)
{
    struct json_object *at = member(packet, "at");
    int64_t time = json_object_is_type(at, json_type_int) ? json_object_get_int64(at) : 0;
    int64_t now = clock_realtime_ms();

    return time < 0 ? 0 : time < now ? time : now;
}

bool report_end_of_all(const struct json_object *packet)
{
    const char *reason = ipc_text(packet, "reason");

    return reason && (strcmp(reason, "terminated") == 0 || strcmp(reason, "killed") == 0);
}

bool report_all_gone(const struct json_object *packet)
{
    return report_end_of_all(packet) || json_object_get_boolean(member(packet, "gone"));
}

struct json_object *report_own_end(const char *session_id, uid_t uid, const char *reason)
{
    return new_end(session_id, uid, reason, NULL);
}
