/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/protocol.h"

#include <json.h>
#include <string.h>

#include "base/utf8.h"

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool consists_of(const char *alphabet, const char *s, size_t length)
{
    return length >= 1 && strnlen(s, length) == length && strspn(s, alphabet) >= length;
}

/* An identifier is a segment of a path and a word in a log, so it has no slash and no blank. */
bool ident_valid(const char *s, size_t length)
{
    return length <= IDENT_MAX && consists_of(ALPHANUMERIC "_.:-", s, length);
}

/* Identity providers choose these. What needs escaping in logs, JSON and SQL is left out. */
bool ident_valid_user(const char *s, size_t length)
{
    return length <= USER_ID_MAX &&
           consists_of(ALPHANUMERIC "!#$%&()*+,-./:;<=>?@[]^_{|}~", s, length);
}

#define FIRST_NAME(id, name) name
#define NEXT_NAME(id, name) , name

const char *protocol_source(const char *text)
{
    static const char *const sources[] = {PROTOCOL_SOURCES(FIRST_NAME, NEXT_NAME)};

    for (size_t i = 0; text && i < sizeof sources / sizeof *sources; i++) {
        if (strcmp(text, sources[i]) == 0)
            return sources[i];
    }
    return NULL;
}

bool protocol_is_plain(const char *text, size_t max)
{
    size_t length = text ? strlen(text) : 0;

    return length > 0 && length <= max && utf8_plain(text, length);
}

void protocol_put(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, text ? json_object_new_string(text) : NULL);
}
