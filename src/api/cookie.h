/* SPDX-License-Identifier: MIT */
/* The cookie that holds a browser's token (RFC 6265), so that a page need not keep the token where
 * its scripts can read it. The server keeps no state: the cookie is the token.
 *
 * A browser attaches cookies to requests from any page, which is how cross-site request forgery
 * works. So the cookie only counts when our own page makes the request; see cookie_is_ours. */
#ifndef API_COOKIE_H
#define API_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "api/request.h"
#include "common/settings.h"

/* Limit for name and value together, as browsers have it (RFC 6265 section 6.1). */
enum { COOKIE_MAX = 4096, COOKIE_LINE_MAX = COOKIE_MAX + 1536 };

/* Whether a page of our own origin makes the request. Browsers tell in Sec-Fetch-Site. For those
 * that do not, our page sends Vsay-Request, which pages of other origins cannot. */
bool cookie_is_ours(const struct request *request);

/* Copies the token of the request's cookie to out[]; "" when there is none that counts. ERR_TOKEN
 * when it is malformed, ERR_CREDENTIALS when there are two. */
enum err cookie_token(const struct request *request, char out[COOKIE_MAX + 1], struct error *e);

/* Whether the token fits into a cookie. */
bool cookie_takes(const struct request *request, const char *token);

/* Writes the value of Set-Cookie to out[]. The cookie holds the token until `until` (Unix seconds);
 * "" deletes it. */
void cookie_format(const struct request *request, const struct settings *settings,
                   const char *token, int64_t until, char out[COOKIE_LINE_MAX]);

#endif
