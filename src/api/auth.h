/* SPDX-License-Identifier: MIT */
/* Authentication: from a bearer token (RFC 6750), or the cookie that holds one, to a principal.
 *
 * The keys may change at any time: SIGHUP rereads the configuration's, and the identity provider's
 * JWKS file is checked every second. Verified tokens are cached, since a signature costs 33 us
 * (RS256) or 105 us (ES256), more than all the rest of a request that needs no database. */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/request.h"
#include "common/principal.h"
#include "common/settings.h"

struct auth;

/* Loads the keys. Borrows `settings`, and `config` as given to settings_load. ERR_CONFIG when the
 * keys are unusable. */
enum err auth_new(const struct settings *settings, const char *config, struct auth **out,
                  struct error *e);
void auth_free(struct auth *auth);

/* Rereads auth.keys, the files it names, and auth.jwks. Keeps the old keys on error. Safe while
 * other threads check tokens. */
enum err auth_reload(struct auth *auth, struct error *e);

/* Rereads auth.jwks if it has changed; looks at most once a second. A bad file is logged once, and
 * the old keys stay. Call it from the thread that calls auth_reload. */
void auth_refresh(struct auth *auth);

/* Finds the token in the Authorization header; *token borrows from it. ERR_NO_TOKEN or
 * ERR_CREDENTIALS. */
enum err auth_bearer(const struct request *request, const char **token, struct error *e);

/* Verifies the request's bearer token, or else its cookie's if that counts.
 * ERR_NO_TOKEN, ERR_CREDENTIALS or ERR_TOKEN unless the token is valid now. */
enum err auth_check(struct auth *auth, const struct request *request, struct principal *out,
                    struct error *e);

/* --- the cookie that holds a browser's token (RFC 6265) --------------------------------------- */

/* A page need not keep its token where scripts can read it. The server keeps no state: the cookie
 * is the token. A browser attaches cookies to requests from any page, which is how cross-site
 * request forgery works. So the cookie only counts when our own page makes the request. */

/* Limit for name and value together, as browsers have it (RFC 6265 section 6.1). */
enum { COOKIE_MAX = 4096, COOKIE_LINE_MAX = COOKIE_MAX + 1536 };

/* Returns whether a page of our own origin makes the request. Browsers tell in Sec-Fetch-Site. For
 * those that do not, our page sends Vsay-Request, which pages of other origins cannot. */
bool cookie_is_ours(const struct request *request);

/* Returns whether the token fits into a cookie. */
bool cookie_takes(const struct request *request, const char *token);

/* Writes the value of Set-Cookie to out[]. The cookie holds the token until `until` (Unix seconds);
 * "" deletes it. */
void cookie_format(const struct request *request, const struct settings *settings,
                   const char *token, int64_t until, char out[COOKIE_LINE_MAX]);

#endif
