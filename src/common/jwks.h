/* SPDX-License-Identifier: MIT */
/* A JSON Web Key Set (RFC 7517), as identity providers publish their public keys. */
#ifndef COMMON_JWKS_H
#define COMMON_JWKS_H

#include "common/keyring.h"

/* Makes a ring of the set's keys, which verify and never sign: RSA of 2048 to 8192 bits (RS256),
 * and EC on P-256 (ES256). A key of another type, algorithm, use or curve is left out and counted
 * in
 * (*out)->skipped. ERR_CONFIG with the reason when it is no set or no key is left. The caller calls
 * keyring_free. */
enum err jwks_parse(const char *text, size_t length, struct keyring **out, struct error *e);

/* The same of a file. */
enum err jwks_load(const char *path, struct keyring **out, struct error *e);

#endif
