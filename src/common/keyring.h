/* SPDX-License-Identifier: MIT */
/* The keys that sign and verify tokens, each bound to one algorithm. */
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
    char *kid; /* NULL: a provider's key has none */
    enum algorithm algorithm;
    unsigned char *data; /* secret, or PEM; NULL: a provider's key */
    size_t length;
    bool can_sign;  /* a secret or a private key */
    EVP_PKEY *pkey; /* RS256, ES256: what verifies; NULL for HS256 */
};

struct keyring {
    struct key *keys;
    size_t count;
    size_t skipped;           /* of a key set: keys that cannot be used */
    struct keyring *provider; /* of auth.jwks: these keys speak for people only; NULL: none */
};

enum { KEYRING_RSA_BITS_MIN = 2048 }; /* RFC 7518 section 3.3 */

/* Loads `KID:ALGORITHM:FILE` specifications, without a provider's keys. A file has a secret, or a
 * key or a certificate in PEM, whose dates do not matter. Refuses (ERR_CONFIG, with the reason): no
 * key, a kid given twice, a file that is missing, empty or readable by others (a file with only a
 * public key may be readable), an HS256 secret under 32 bytes (RFC 7518 section 3.2), an RSA key
 * under 2048 bits (section 3.3), an EC key not on P-256 (section 3.4). A line end that closes an
 * HS256 file is not part of the secret. The caller calls keyring_free. */
enum err keyring_load(const struct strlist *specs, struct keyring **out, struct error *e);

/* The provider's keys too. */
void keyring_free(struct keyring *ring);

#endif
