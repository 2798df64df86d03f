/* SPDX-License-Identifier: MIT */
/* Members that nothing here asks for are ignored, since agents may be newer than vsay-api: an old
 * worker takes the reports of a new agent, and loses only what it cannot know. */
#include "config.h"
#include "api/json_body.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

/* json_read refuses too many values before anything is allocated, so the body's limit in bytes
 * bounds its cost in memory too. */
enum err json_body_read(struct request *request, size_t limit, struct json_object **out,
                        struct error *e)
{
    char *text = NULL;
    size_t length = 0;
    enum err err = request_read_body(request, limit, &text, &length, e);

    *out = NULL;
    if (err)
        goto out;
    switch (json_read(text, length, out)) {
    case JSON_GOOD:
        break;
    case JSON_MALFORMED:
        err = error_public(e, ERR_REQUEST, "The request body is not a JSON object");
        break;
    case JSON_TOO_MUCH:
        err = error_public(e, ERR_REQUEST,
                           "The request body holds too many values or is nested too deeply");
    }
out:
    free(text);
    return err;
}

/* --- members ---------------------------------------------------------------------------------- */

/* There are few members, so each message is a static text, as error_public requires: the client
 * sees nothing that a bug could have put into a format. */
static const struct {
    const char *name, *message;
} messages[] = {
    {"activities", "activities is an array of at most 500 objects"},
    {"browser", "browser is text of 1 to 64 bytes, or null"},
    {"command", "command is UTF-8 text of 1 to 65535 bytes"},
    {"cpu_percent", "cpu_percent is a number from 0 to 100"},
    {"disk_percent", "disk_percent is a number from 0 to 100"},
    {"dropped", "dropped is an integer of at least 0"},
    {"ended_at", "ended_at is a time as in RFC 3339"},
    {"exit_code", "exit_code is an integer from 0 to 255"},
    {"last_activity", "last_activity is an object of times as in RFC 3339, by session_id"},
    {"memory_percent", "memory_percent is a number from 0 to 100"},
    {"not_recorded", "not_recorded is text of 1 to 255 bytes, or null"},
    {"os", "os is text of 1 to 64 bytes, or null"},
    {"reason", "reason is text of 1 to 64 bytes"},
    {"seq", "seq is an integer of at least 1"},
    {"session_id", "session_id is 1 to 64 of A-Z a-z 0-9 _ . : -"},
    {"sessions", "sessions is an array of at most 1000 identifiers"},
    {"source_address", "source_address is an IPv4 or IPv6 address, or null"},
    {"source", "source is ui, cli or vscode"},
    {"started_at", "started_at is a time as in RFC 3339"},
    {"timestamp", "timestamp is a time as in RFC 3339"},
    {"user_id", "user_id is 1 to 128 ASCII characters without blanks, quotes and backslash"},
    {"username", "username is text of 1 to 255 bytes"},
};

enum err json_body_wrong(const char *name, struct error *e)
{
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        if (strcmp(messages[i].name, name) == 0)
            return error_public(e, ERR_REQUEST, messages[i].message);
    }
    return error_set(e, ERR_REQUEST, "member %s", name);
}

/* *out is NULL when the member is absent or null, which is an error if it is required. */
static enum err get(struct json_object *object, const char *name, enum json_body_need need,
                    struct json_object **out, struct error *e)
{
    *out = NULL;
    json_object_object_get_ex(object, name, out);
    return *out || need == OPTIONAL ? ERR_OK : json_body_wrong(name, e);
}

/* *out is NULL when an optional member is absent or null. Text with a NUL byte is an error. */
static enum err get_string(struct json_object *object, const char *name, enum json_body_need need,
                           const char **out, size_t *length, struct error *e)
{
    struct json_object *value = NULL;
    enum err err = get(object, name, need, &value, e);

    *out = NULL;
    *length = 0;
    if (err || !value)
        return err;
    if (!json_object_is_type(value, json_type_string))
        return json_body_wrong(name, e);
    const char *text = json_object_get_string(value);
    if (strlen(text) != (size_t)json_object_get_string_len(value))
        return json_body_wrong(name, e);
    *out = text;
    *length = strlen(text);
    return ERR_OK;
}

/* No control characters, since this text ends up on terminals: of the operator, or of the user
 * whose session is ended. */
enum err json_body_text(struct json_object *object, const char *name, enum json_body_need need,
                        size_t max, const char **out, struct error *e)
{
    size_t length = 0;
    enum err err = get_string(object, name, need, out, &length, e);

    if (!err && *out && (length < 1 || length > max || !utf8_plain(*out, length)))
        err = json_body_wrong(name, e);
    return err;
}

enum err json_body_ident(struct json_object *object, const char *name, enum json_body_need need,
                         char out[IDENT_MAX + 1], struct error *e)
{
    const char *text = NULL;
    size_t length = 0;
    enum err err = get_string(object, name, need, &text, &length, e);

    *out = '\0';
    if (err || !text)
        return err;
    if (!ident_valid(text, length))
        return json_body_wrong(name, e);
    strcpy(out, text);
    return ERR_OK;
}

enum err json_body_user_id(struct json_object *object, char out[USER_ID_MAX + 1], struct error *e)
{
    const char *text = NULL;
    size_t length = 0;
    enum err err = get_string(object, "user_id", REQUIRED, &text, &length, e);

    *out = '\0';
    if (err)
        return err;
    if (!ident_valid_user(text, length))
        return json_body_wrong("user_id", e);
    strcpy(out, text);
    return ERR_OK;
}

enum err json_body_time(struct json_object *object, const char *name, enum json_body_need need,
                        char out[SQL_TIME_LENGTH + 1], struct error *e)
{
    const char *text = NULL;
    size_t length = 0;
    enum err err = get_string(object, name, need, &text, &length, e);

    *out = '\0';
    if (err || !text)
        return err;
    return clock_parse(text, out) ? ERR_OK : json_body_wrong(name, e);
}

enum err json_body_ip(struct json_object *object, const char *name, enum json_body_need need,
                      char out[ADDRESS_IP_MAX + 1], struct error *e)
{
    const char *text = NULL;
    size_t length = 0;
    enum err err = get_string(object, name, need, &text, &length, e);

    *out = '\0';
    if (err || !text)
        return err;
    return address_ip(text, length, out) ? ERR_OK : json_body_wrong(name, e);
}

/* json-c clamps an integer that is too large to INT64_MAX, which is over any `max`. */
enum err json_body_integer(struct json_object *object, const char *name, enum json_body_need need,
                           int64_t min, int64_t max, int64_t *out, struct error *e)
{
    struct json_object *value = NULL;
    enum err err = get(object, name, need, &value, e);

    if (err || !value)
        return err;
    if (!json_object_is_type(value, json_type_int))
        return json_body_wrong(name, e);
    int64_t number = json_object_get_int64(value);
    if (number < min || number > max)
        return json_body_wrong(name, e);
    *out = number;
    return ERR_OK;
}

/* Stored in hundredths as an integer, so that sums over machines are exact. */
enum err json_body_percent(struct json_object *object, const char *name, uint64_t *out,
                           struct error *e)
{
    struct json_object *value = NULL;
    enum err err = get(object, name, REQUIRED, &value, e);

    if (err)
        return err;
    if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
        return json_body_wrong(name, e);
    double percent = json_object_get_double(value);
    if (!(percent >= 0 && percent <= 100)) /* rejects NaN too */
        return json_body_wrong(name, e);
    *out = (uint64_t)(percent * 100 + 0.5);
    return ERR_OK;
}

enum err json_body_array(struct json_object *object, const char *name, size_t max,
                         struct json_object **out, struct error *e)
{
    enum err err = get(object, name, REQUIRED, out, e);

    if (err)
        return err;
    if (!json_object_is_type(*out, json_type_array) || json_object_array_length(*out) > max)
        return json_body_wrong(name, e);
    return ERR_OK;
}
