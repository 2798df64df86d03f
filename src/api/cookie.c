/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/cookie.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* With the __Secure- prefix, browsers refuse the cookie from pages without TLS. __Host- would be
 * stronger, but requires Path=/. */
static const char *name_of(const struct request *request)
{
    return request->https ? "__Secure-vsay_token" : "vsay_token";
}

bool cookie_is_ours(const struct request *request)
{
    if (request->fetch_site)
        return strcmp(request->fetch_site, "same-origin") == 0;
    return request->own_header && *request->own_header;
}

/* The value of the pair at `p` if its name is `name`; else NULL. */
static const char *value_of(const char *p, const char *name)
{
    size_t length = strlen(name);

    return strncmp(p, name, length) == 0 && p[length] == '=' ? p + length + 1 : NULL;
}

static enum err copy_value(const char *value, char out[COOKIE_MAX + 1], struct error *e)
{
    size_t length = strcspn(value, ";");

    while (length && strchr(" \t", value[length - 1]))
        length--;
    if (length < 1 || length > COOKIE_MAX)
        return error_set(e, ERR_TOKEN, "the cookie is empty or too long");
    memcpy(out, value, length);
    out[length] = '\0';
    return ERR_OK;
}

/* Of two cookies with the name, one may come from another host of the domain, so neither counts. */
static enum err find_token(const char *cookies, const char *name, char out[COOKIE_MAX + 1],
                           struct error *e)
{
    enum err err = ERR_OK;
    bool found = false;

    for (const char *p = cookies + strspn(cookies, " \t;"); !err && *p;
         p += strcspn(p, ";"), p += strspn(p, " \t;")) {
        const char *value = value_of(p, name);
        if (!value)
            continue;
        err = found ? error_set(e, ERR_CREDENTIALS, "two cookies %s", name)
                    : copy_value(value, out, e);
        found = true;
    }
    return err;
}

enum err cookie_token(const struct request *request, char out[COOKIE_MAX + 1], struct error *e)
{
    *out = '\0';
    if (!request->cookies || !cookie_is_ours(request))
        return ERR_OK;
    return find_token(request->cookies, name_of(request), out, e);
}

bool cookie_takes(const struct request *request, const char *token)
{
    return strlen(name_of(request)) + 1 + strlen(token) <= COOKIE_MAX;
}

void cookie_format(const struct request *request, const struct settings *settings,
                   const char *token, int64_t until, char out[COOKIE_LINE_MAX])
{
    int64_t left = until - time(NULL);
    const char *prefix = "";
    int length = request_prefix(request, settings->api.prefix, &prefix);

    if (!*token || left < 0)
        left = 0;
    snprintf(out, COOKIE_LINE_MAX,
             "%s=%s; Path=%.*s/api; Max-Age=%" PRId64 "; HttpOnly; SameSite=Strict%s",
             name_of(request), token, length, prefix, left, request->https ? "; Secure" : "");
}
