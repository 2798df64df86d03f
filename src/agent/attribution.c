/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/attribution.h"

#include <errno.h>
#include <json.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/ipc.h"
#include "common/protocol.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/xalloc.h"

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

void attribute_session(struct json_object *opening, const struct strlist *trusted)
{
    struct json_object *number = NULL;

    json_object_object_get_ex(opening, "uid", &number);
    uid_t uid = (uid_t)json_object_get_int64(number);
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
