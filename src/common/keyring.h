/* SPDX-License-Identifier: MIT */
/* The keys that sign and verify tokens. Each is bound to one algorithm, so that a token cannot
 * choose: a public RSA key used as an HMAC secret is the classic forgery.
 *
 * The keys of a ring are loaded together and then stay as they are. When a file changes, a new ring
 * takes the place of the old one, so a mistake in the file leaves the old keys in use. The
 * service's own keys and those of an identity provider are two rings: only the own ones speak for
 * machines. */
#ifndef COMMON_KEYRING_H
#define COMMON_KEYRING_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>

#include "base/conf.h"

enum algorithm { ALG_HS256, ALG_RS256, ALG_ES256, ALG_COUNT };

/* JOSE names (RFC 7518 section 3.1), indexed by enum algorithm. */
extern const char *const algorithm_names[];

struct key {
    char *kid; /* NULL: a provider's key without one */
    enum algorithm algorithm;
    unsigned char *data; /* the secret, or PEM; NULL: a provider's key */
    size_t length;
    bool can_sign;  /* a secret or a private key */
    EVP_PKEY *pkey; /* RS256, ES256: verifies; NULL for HS256 */
};

struct keyring {
    struct key *keys;
    size_t count;
    size_t skipped;           /* of a key set: unusable keys */
    struct keyring *provider; /* the keys of auth.jwks, which speak for people only; NULL: none */
};

/* Shorter RSA keys are refused when they are loaded, from wherever they come. */
enum { KEYRING_RSA_BITS_MIN = 2048 }; /* RFC 7518 section 3.3 */

/* Loads `KID:ALGORITHM:FILE` specifications, without a provider's keys. A file has a secret, or a
 * key or a certificate in PEM; the certificate's dates are ignored. ERR_CONFIG with the reason: no
 * key, a kid given twice, a file that is missing, empty or readable by others (unless it has only a
 * public key), an HS256 secret under 32 bytes (RFC 7518 section 3.2), an RSA key under 2048 bits
 * (section 3.3), an EC key not on P-256 (section 3.4). A final line end is not part of an HS256
 * secret. The caller calls keyring_free. */
enum err keyring_load(const struct strlist *specs, struct keyring **out, struct error *e);

/* Also frees the provider's keys. Secrets are wiped. */
void keyring_free(struct keyring *ring);

#endif
