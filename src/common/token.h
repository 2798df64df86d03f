/* SPDX-License-Identifier: MIT */
/* JSON Web Tokens (RFC 7519): verifies and signs them. claims.h reads the claims.
 *
 * The only user of libjwt, and only for signing: libjwt 1.10 refuses the typ at+jwt of access
 * tokens (RFC 9068) and parses a PEM key again for each token. OpenSSL verifies. */
#ifndef COMMON_TOKEN_H
#define COMMON_TOKEN_H

#include <stdint.h>

#include "base/error.h"
#include "common/keyring.h"
#include "common/principal.h"
#include "common/settings.h"

enum { TOKEN_MAX = 8192 }; /* bytes */

/* Verifies `token` with the ring's and its provider's keys and the rules of settings->auth, at
 * `now` (Unix seconds). Fills *out; ERR_TOKEN with the reason on failure. */
enum err token_verify(const struct settings *settings, const struct keyring *ring,
                      const char *token, int64_t now, struct principal *out, struct error *e);

/* Signs a token for `who`, valid for `ttl` seconds from `now`, with the first key of the ring that
 * can sign. Claims, issuer and audience are as configured. The caller frees *out. */
enum err token_mint(const struct settings *settings, const struct keyring *ring,
                    const struct principal *who, int64_t now, long ttl, char **out,
                    struct error *e);

#endif
