/* SPDX-License-Identifier: MIT */
/* Signs any header and payload, for tests of tokens that must be refused. */
#ifndef TESTS_UNIT_FORGE_H
#define TESTS_UNIT_FORGE_H

#include <stddef.h>

#include <openssl/evp.h>

#include "common/settings.h"

/* The defaults of settings->auth, with a leeway of 30 s. */
extern const struct settings forge_settings;

/* A token signed with HMAC, whatever its header says. JSON has ' for ". The caller frees it. */
char *forge(const char *header, const char *payload, size_t payload_length, const EVP_MD *digest,
            const char *key);

#endif
