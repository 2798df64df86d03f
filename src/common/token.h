/* SPDX-License-Identifier: MIT */
/* JSON Web Tokens (RFC 7519) in and out: signatures and headers; claims.h is about the rest. The
 * only user of libjwt, which signs. */
#ifndef COMMON_TOKEN_H
#define COMMON_TOKEN_H

#include <stdint.h>

#include "base/error.h"
#include "common/keyring.h"
#include "common/principal.h"
#include "common/settings.h"

enum { TOKEN_MAX = 8192 }; /* bytes */

/* Verifies `token` against the ring, with its provider's keys, and the rules of settings->auth at
 * `now` (Unix seconds). Fills *out; ERR_TOKEN with the reason otherwise. */
enum err token_verify(const struct settings *settings, const struct keyring *ring,
                      const char *token, int64_t now, struct principal *out, struct error *e);

/* Signs a token for `who`, valid from `now` for `ttl` seconds, with the ring's first key that can
 * sign; claims, issuer and audience as configured. The caller frees *out. */
enum err token_mint(const struct settings *settings, const struct keyring *ring,
                    const struct principal *who, int64_t now, long ttl, char **out,
                    struct error *e);

#endif
