/* SPDX-License-Identifier: MIT */
/* JSON Web Key Sets (RFC 7517): the form in which identity providers publish their public keys.
 *
 * vsay reads the set from a file and fetches nothing itself: a worker that had to reach the
 * provider would make every request depend on a third machine. A job outside writes the file: see
 * docs/sso.md.
 *
 * A set may hold keys for other purposes and of kinds that vsay does not know. These are skipped,
 * not refused: a provider that adds a key must not lock all users out. */
#ifndef COMMON_JWKS_H
#define COMMON_JWKS_H

#include "common/keyring.h"

/* Makes a keyring of the set's keys, which can verify but not sign: RSA of 2048 to 8192 bits
 * (RS256) and EC on P-256 (ES256). Skips keys of another type, algorithm, use or curve, and counts
 * them in (*out)->skipped. ERR_CONFIG with the reason when the text is not a key set or has no
 * usable key. The caller calls keyring_free. */
enum err jwks_parse(const char *text, size_t length, struct keyring **out, struct error *e);

/* The same from a file. */
enum err jwks_load(const char *path, struct keyring **out, struct error *e);

#endif
