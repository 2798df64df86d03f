/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/db_address.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

enum err db_address_parse(const char *text, struct db_address *out, struct error *e)
{
    *out = (struct db_address){0};
    if (*text == '/') {
        out->socket = xstrdup(text);
        return ERR_OK;
    }

    const char *host = text;
    const char *end = *text == '[' ? strchr(text, ']') : strchr(text, ':');
    if (*text == '[') {
        if (!end)
            return error_set(e, ERR_CONFIG, "db.host: no ] in %s", text);
        host++;
    }
    if (end == host || !*host)
        return error_set(e, ERR_CONFIG, "db.host: no host in %s", text);
    out->host = end ? xstrndup(host, (size_t)(end - host)) : xstrdup(host);
    const char *port = end ? end + (*end == ']') : "";
    if (*port == ':') {
        char *rest = NULL;
        long number = strtol(port + 1, &rest, 10);
        if (number < 1 || number > 65535 || *rest)
            return error_set(e, ERR_CONFIG, "db.host: no port number in %s", text);
        out->port = (unsigned)number;
    } else if (*port) {
        return error_set(e, ERR_CONFIG, "db.host: not HOST, HOST:PORT or a path: %s", text);
    }
    return ERR_OK;
}

void db_address_free(struct db_address *address)
{
    free(address->host);
    free(address->socket);
}
