/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/auth.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/token_cache.h"
#include "base/xalloc.h"
#include "common/keyring.h"
#include "common/token.h"

struct auth {
    const struct settings *settings;
    const char *config;
    pthread_rwlock_t lock;
    struct keyring *ring;
    struct token_cache *cache; /* of tokens that a key of the ring has verified */
};

enum err auth_new(const struct settings *settings, const char *config, struct auth **out,
                  struct error *e)
{
    struct keyring *ring = NULL;
    enum err err = keyring_load(&settings->auth.keys, &ring, e);

    *out = NULL;
    if (err)
        return err;
    *out = xcalloc(1, sizeof **out);
    (*out)->settings = settings;
    (*out)->config = config;
    (*out)->ring = ring;
    (*out)->cache = token_cache_new();
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

enum err auth_reload(struct auth *auth, struct error *e)
{
    struct settings fresh;
    struct keyring *ring = NULL;
    enum err err = settings_load(NULL, auth->config, SETTINGS_KEYS, &fresh, e);

    if (!err)
        err = keyring_load(&fresh.auth.keys, &ring, e);
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

/* For the log: Apache and its kin keep Authorization to themselves unless told otherwise. */
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

/* The token of `Bearer TOKEN` (RFC 6750 section 2.1; the scheme in any case, RFC 9110
 * section 11.1). */
static enum err bearer_token(const struct request *request, const char **token, struct error *e)
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

enum err auth_check(struct auth *auth, const struct request *request, struct principal *out,
                    struct error *e)
{
    const char *token = NULL;
    int64_t now = time(NULL);
    enum err err = bearer_token(request, &token, e);

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
