/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "forge.h"

#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static char nothing[] = "", user_id[] = "user_id", sub[] = "sub", username[] = "username",
            tenant_id[] = "tenant_id", role[] = "role";
static char *users[] = {user_id, sub}, *usernames[] = {username}, *tenants[] = {tenant_id},
            *roles[] = {role};

const struct settings forge_settings = {.auth = {.jwks = nothing,
                                                 .issuer = nothing,
                                                 .audience = nothing,
                                                 .leeway = 30,
                                                 .claim_user = {users, 2},
                                                 .claim_username = {usernames, 1},
                                                 .claim_tenant = {tenants, 1},
                                                 .claim_role = {roles, 1}}};

static size_t encode(const void *bytes, size_t length, char *out)
{
    size_t n = (size_t)EVP_EncodeBlock((unsigned char *)out, bytes, (int)length);

    while (n && out[n - 1] == '=')
        n--;
    out[n] = '\0';
    for (char *c = out; *c; c++)
        *c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c);
    return n;
}

static size_t encode_json(const char *json, size_t length, char *out)
{
    char *copy = xcalloc(1, length + 1);

    for (size_t i = 0; i < length; i++)
        copy[i] = (char)(json[i] == '\'' ? '"' : json[i]);
    length = encode(copy, length, out);
    free(copy);
    return length;
}

char *forge(const char *header, const char *payload, size_t payload_length, const EVP_MD *digest,
            const char *key)
{
    char *token = xcalloc(1, 2 * (strlen(header) + payload_length) + 200);
    unsigned char signature[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    size_t n = encode_json(header, strlen(header), token);
    token[n++] = '.';
    n += encode_json(payload, payload_length, token + n);
    HMAC(digest, key, (int)strlen(key), (unsigned char *)token, n, signature, &length);
    token[n++] = '.';
    encode(signature, length, token + n);
    return token;
}
