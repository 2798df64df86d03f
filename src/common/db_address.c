/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/db_address.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/xalloc.h"
#include "common/address.h"

static enum err check_socket(const char *path, struct error *e)
{
    struct sockaddr_un address;
    struct stat st;

    if (strlen(path) >= sizeof address.sun_path)
        return error_set(e, ERR_CONFIG,
                         "db.host: %s is longer than the %zu bytes of a socket's path", path,
                         sizeof address.sun_path - 1);
    if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return error_set(e, ERR_CONFIG, "db.host: %s is no socket", path);
    return ERR_OK;
}

enum err db_address_parse(const char *text, struct db_address *out, struct error *e)
{
    struct address address;

    *out = (struct db_address){0};
    if (*text == '/') {
        out->socket = xstrdup(text);
        return check_socket(text, e);
    }
    const char *why = address_parse(text, strlen(text), &address);
    if (why)
        return error_set(e, ERR_CONFIG, "db.host: %s: %s", text, why);
    out->host = xstrndup(address.host, address.host_length);
    out->port = address.port;
    return ERR_OK;
}

void db_address_free(struct db_address *address)
{
    free(address->host);
    free(address->socket);
}
