/* SPDX-License-Identifier: MIT */
/* common/jwks: the input is a key set. An accepted key has a kid or none, verifies signatures, and
 * never signs. */
#include "config.h"

#include "common/jwks.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keyring *ring = NULL;
    struct error e = {0};

    if (jwks_parse((const char *)data, size, &ring, &e)) {
        MUST(!ring && *e.detail);
        return 0;
    }
    MUST(ring->count > 0 && !ring->provider);
    for (size_t i = 0; i < ring->count; i++) {
        const struct key *key = &ring->keys[i];
        MUST(key->pkey && !key->data && !key->can_sign);
        MUST(!key->kid || *key->kid);
        MUST(key->algorithm == ALG_RS256 ? EVP_PKEY_bits(key->pkey) >= KEYRING_RSA_BITS_MIN
                                         : key->algorithm == ALG_ES256);
    }
    keyring_free(ring);
    return 0;
}
