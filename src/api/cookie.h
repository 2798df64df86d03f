/* SPDX-License-Identifier: MIT */
/* The cookie that holds a browser's token (RFC 6265), so that a page need not keep it where its
 * scripts can read it. There is no state on the server: the cookie is the token.
 *
 * A browser sends a cookie with any request to us, whichever page asked for it. So it counts only
 * where our own page asks, see cookie_is_ours. */
#ifndef API_COOKIE_H
#define API_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "api/request.h"
#include "common/settings.h"

/* Name and value together, as long as browsers take them (RFC 6265 section 6.1). */
enum { COOKIE_MAX = 4096, COOKIE_LINE_MAX = COOKIE_MAX + 1536 };

/* Whether a page of our own origin makes the request: a browser says so in Sec-Fetch-Site; one that
 * does not say it sends Vsay-Request, which pages of other origins cannot. */
bool cookie_is_ours(const struct request *request);

/* Copies the token of the request's cookie to out[]; "" when there is none that counts. ERR_TOKEN
 * when it is malformed, ERR_CREDENTIALS when there are two. */
enum err cookie_token(const struct request *request, char out[COOKIE_MAX + 1], struct error *e);

/* Whether a cookie can hold the token. */
bool cookie_takes(const struct request *request, const char *token);

/* Writes the value of Set-Cookie to out[]: the token until then (Unix seconds), or "" to forget. */
void cookie_format(const struct request *request, const struct settings *settings,
                   const char *token, int64_t until, char out[COOKIE_LINE_MAX]);

#endif
