/* SPDX-License-Identifier: MIT */
/* The limits of the protocols: valid identifiers, texts and numbers, each defined once. They
 * hold for the REST API (docs/api.md) and for what machines report (docs/agent-protocol.md):
 * vsay-shell keeps to them; vsay-agent and vsay-api check them again, since neither trusts its
 * peer. If two programs had different limits, one would send what the other refuses for ever.
 *
 * Identifiers of tenants, machines and sessions are `[A-Za-z0-9_.:-]{1,64}`. User ids are what
 * identity providers make of them, such as `auth0|5f7c` or `jane@example.com`: 1 to 128 bytes of
 * printable ASCII without space, quotes (" ' `) and backslash. */
#ifndef COMMON_PROTOCOL_H
#define COMMON_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum { IDENT_MAX = 64, USER_ID_MAX = 128 }; /* bytes */

bool ident_valid(const char *s, size_t length);
bool ident_valid_user(const char *s, size_t length);

/* The longest texts of a report, in bytes. */
enum {
    MEMBER_NAME = 255,
    MEMBER_LABEL = 64, /* browser, operating system */
    MEMBER_REASON = 64,
    MEMBER_WHY = 255,
    MEMBER_COMMAND = 65535
};

/* Sessions that an agent runs at a time, and that a heartbeat lists. */
enum { PROTOCOL_SESSIONS_MAX = 1000 };

/* The largest integer: those up to it are exact in every JSON parser (RFC 8259 section 6). */
#define PROTOCOL_INTEGER_MAX ((INT64_C(1) << 53) - 1)

/* The sources of sessions, written once for every list of them. The macros FIRST and MORE make an
 * item of an identifier and a name; MORE begins with the separator. */
#define PROTOCOL_SOURCES(FIRST, MORE) FIRST(UI, "ui") MORE(CLI, "cli") MORE(VSCODE, "vscode")

/* Their names as text, separated by blanks. */
#define PROTOCOL_SOURCE_FIRST(id, name) name
#define PROTOCOL_SOURCE_MORE(id, name) " " name
#define PROTOCOL_SOURCE_NAMES PROTOCOL_SOURCES(PROTOCOL_SOURCE_FIRST, PROTOCOL_SOURCE_MORE)

/* The static copy of a source's name. NULL when `text`, which may be NULL, is no source. */
const char *protocol_source(const char *text);

/* Returns whether `text`, which may be NULL, is 1 to `max` bytes of UTF-8 without control
 * characters. */
bool protocol_is_plain(const char *text, size_t max);

/* Adds a text to a JSON object; null when it is NULL. */
void protocol_put(struct json_object *object, const char *name, const char *text);

#endif
