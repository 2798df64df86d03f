/* SPDX-License-Identifier: MIT */
/* A signer that signs anything, for tests of what must be refused. */
#ifndef TESTS_UNIT_FORGE_H
#define TESTS_UNIT_FORGE_H

#include <stddef.h>

#include <openssl/evp.h>

#include "common/settings.h"

/* The defaults of settings->auth, with a leeway of 30 s. */
extern const struct settings forge_settings;

/* A token signed by HMAC, whatever the header says. JSON is written with ' for ". The caller frees.
 */
char *forge(const char *header, const char *payload, size_t payload_length, const EVP_MD *digest,
            const char *key);

#endif
