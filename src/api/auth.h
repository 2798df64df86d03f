/* SPDX-License-Identifier: MIT */
/* Bearer token (RFC 6750), or the cookie that holds one -> principal. */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/request.h"
#include "common/principal.h"
#include "common/settings.h"

struct auth;

/* Loads the keys; `settings`, and `config` as given to settings_load, are borrowed. ERR_CONFIG when
 * the keys are unusable. */
enum err auth_new(const struct settings *settings, const char *config, struct auth **out,
                  struct error *e);
void auth_free(struct auth *auth);

/* Reads auth.keys, the files that it names and auth.jwks again; keeps the old keys on error. Safe
 * while other threads check. */
enum err auth_reload(struct auth *auth, struct error *e);

/* Reads auth.jwks again if it has changed, which it looks for once a second at most. A file that
 * cannot be used is logged, once, and the old keys stay. Called by the thread that reloads. */
void auth_refresh(struct auth *auth);

/* The token of the request's Authorization, borrowed from it. ERR_NO_TOKEN or ERR_CREDENTIALS. */
enum err auth_bearer(const struct request *request, const char **token, struct error *e);

/* The same, or else that of its cookie, if that counts (cookie.h). ERR_NO_TOKEN, ERR_CREDENTIALS or
 * ERR_TOKEN unless the request's token is valid now. */
enum err auth_check(struct auth *auth, const struct request *request, struct principal *out,
                    struct error *e);

#endif
