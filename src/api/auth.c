/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/auth.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "api/token_cache.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "common/jwks.h"
#include "common/keyring.h"
#include "common/token.h"

/* Checks take the lock for reading, so they do not wait for each other. New keys are loaded without
 * the lock and put in place under it; a check sees the old ring or the new one. The cache is
 * emptied in the same critical section: a token of a removed key must not be found any more. */
struct auth {
    const struct settings *settings;
    const char *config;
    pthread_rwlock_t lock;
    struct keyring *ring;
    struct token_cache *cache; /* of tokens verified with this ring */
    time_t checked;            /* last check of the file, Unix seconds */
    struct stat jwks_seen;     /* state of auth.jwks when it was read; zeroed: missing */
};

static void stat_or_zero(const char *path, struct stat *out)
{
    if (stat(path, out) < 0)
        memset(out, 0, sizeof *out);
}

/* Loads the configured keys, and the provider's. */
static enum err load_ring(const struct settings *settings, const struct strlist *keys,
                          struct keyring **out, struct error *e)
{
    enum err err = keyring_load(keys, out, e);

    if (!err && *settings->auth.jwks)
        err = jwks_load(settings->auth.jwks, &(*out)->provider, e);
    if (err) {
        keyring_free(*out);
        *out = NULL;
    }
    return err;
}

enum err auth_new(const struct settings *settings, const char *config, struct auth **out,
                  struct error *e)
{
    struct keyring *ring = NULL;
    struct stat seen;

    *out = NULL;
    stat_or_zero(settings->auth.jwks, &seen);
    enum err err = load_ring(settings, &settings->auth.keys, &ring, e);
    if (err)
        return err;
    *out = xcalloc(1, sizeof **out);
    (*out)->settings = settings;
    (*out)->config = config;
    (*out)->ring = ring;
    (*out)->cache = token_cache_new();
    (*out)->jwks_seen = seen;
    pthread_rwlock_init(&(*out)->lock, NULL);
    return ERR_OK;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    keyring_free(auth->ring);
    token_cache_free(auth->cache);
    pthread_rwlock_destroy(&auth->lock);
    free(auth);
}

/* Only auth.keys are taken from the file. Other settings are read by threads without a lock, so
 * they stay as they were at the start. */
enum err auth_reload(struct auth *auth, struct error *e)
{
    struct settings fresh;
    struct keyring *ring = NULL;
    enum err err = settings_load(NULL, auth->config, SETTINGS_KEYS, &fresh, e);

    if (!err)
        err = load_ring(auth->settings, &fresh.auth.keys, &ring, e);
    settings_free(&fresh);
    if (err)
        return err;
    pthread_rwlock_wrlock(&auth->lock);
    struct keyring *old = auth->ring;
    auth->ring = ring;
    token_cache_clear(auth->cache);
    pthread_rwlock_unlock(&auth->lock);
    keyring_free(old);
    return ERR_OK;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void take_provider(struct auth *auth, struct keyring *fresh)
{
    pthread_rwlock_wrlock(&auth->lock);
    struct keyring *old = auth->ring->provider;
    auth->ring->provider = fresh;
    token_cache_clear(auth->cache);
    pthread_rwlock_unlock(&auth->lock);
    keyring_free(old);
}

void auth_refresh(struct auth *auth)
{
    const char *path = auth->settings->auth.jwks;
    struct keyring *fresh = NULL;
    struct error e = {0};
    time_t now = time(NULL);
    struct stat seen;

    if (!*path || now == auth->checked)
        return;
    auth->checked = now;
    stat_or_zero(path, &seen);
    if (is_same_file(&seen, &auth->jwks_seen))
        return;
    auth->jwks_seen = seen; /* taken before reading, so a change meanwhile is seen next time */
    if (jwks_load(path, &fresh, &e)) {
        log_event(LEVEL_ERROR, "jwks", "detail=\"%s; the old keys stay\"", e.detail);
        return;
    }
    log_event(LEVEL_INFO, "jwks", "keys=%zu skipped=%zu", fresh->count, fresh->skipped);
    take_provider(auth, fresh);
}

/* --- bearer tokens ---------------------------------------------------------------------------- */

/* For the log: Apache and LiteSpeed hide Authorization from programs by default. */
static const char *why_no_header(const char *server)
{
    if (server && strncmp(server, "Apache", strlen("Apache")) == 0)
        return "no Authorization: if one was sent, Apache lacks CGIPassAuth On or, with ProxyPass, "
               "SetEnvIf Authorization (.+) HTTP_AUTHORIZATION=$1";
    if (server && strncmp(server, "LiteSpeed", strlen("LiteSpeed")) == 0)
        return "no Authorization: if one was sent, LiteSpeed lacks "
               "RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]";
    return "no Authorization: if one was sent, the web server does not pass it";
}

/* Parses `Bearer TOKEN` (RFC 6750 section 2.1); the scheme is case-insensitive (RFC 9110 section
 * 11.1). Apache and lighttpd join two Authorization headers with a comma, nginx answers 400 by
 * itself. Which of two tokens was meant is unknown, so both are refused. */
enum err auth_bearer(const struct request *request, const char **token, struct error *e)
{
    static const char scheme[] = "Bearer";
    const char *header = request->authorization;
    size_t length = strlen(scheme);

    if (!header || !*header)
        return error_set(e, ERR_NO_TOKEN, "%s", why_no_header(request->server));
    if (strncasecmp(header, scheme, length) != 0 || (header[length] && header[length] != ' '))
        return error_set(e, ERR_NO_TOKEN, "not a bearer token");
    header += length + strspn(header + length, " ");
    if (!*header)
        return error_set(e, ERR_NO_TOKEN, "empty bearer token");
    if (strpbrk(header, " ,"))
        return error_set(e, ERR_CREDENTIALS, "more than one credential");
    *token = header;
    return ERR_OK;
}

/* --- cookies ---------------------------------------------------------------------------------- */

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

/* Copies a cookie's value, which ends at a semicolon, without white space at its end. */
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
static enum err find_cookie(const char *cookies, const char *name, char out[COOKIE_MAX + 1],
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

static enum err cookie_token(const struct request *request, char out[COOKIE_MAX + 1],
                             struct error *e)
{
    *out = '\0';
    if (!request->cookies || !cookie_is_ours(request))
        return ERR_OK;
    return find_cookie(request->cookies, name_of(request), out, e);
}

bool cookie_takes(const struct request *request, const char *token)
{
    return strlen(name_of(request)) + 1 + strlen(token) <= COOKIE_MAX;
}

/* The path is the one that the client sees, which on shared hosting is not that of the program.
 * With SameSite=Strict, other sites' links and forms do not carry the cookie; with HttpOnly, no
 * script can read it. */
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

/* --- requests --------------------------------------------------------------------------------- */

/* A bearer token comes first: clients send one on purpose, while browsers add the cookie on their
 * own. *token borrows from the request, or points to `cookie`. */
static enum err find_token(const struct request *request, char cookie[COOKIE_MAX + 1],
                           const char **token, struct error *e)
{
    enum err err = auth_bearer(request, token, e);

    if (err != ERR_NO_TOKEN || !request->cookies)
        return err;
    enum err cookie_err = cookie_token(request, cookie, e);
    if (cookie_err)
        return cookie_err;
    if (!*cookie)
        return err;
    *token = cookie;
    return ERR_OK;
}

enum err auth_check(struct auth *auth, const struct request *request, struct principal *out,
                    struct error *e)
{
    char cookie[COOKIE_MAX + 1];
    const char *token = NULL;
    int64_t now = time(NULL);
    enum err err = find_token(request, cookie, &token, e);

    if (err)
        return err;
    pthread_rwlock_rdlock(&auth->lock);
    if (!token_cache_get(auth->cache, token, now, out)) {
        err = token_verify(auth->settings, auth->ring, token, now, out, e);
        if (!err)
            token_cache_put(auth->cache, token, out);
    }
    pthread_rwlock_unlock(&auth->lock);
    return err;
}
