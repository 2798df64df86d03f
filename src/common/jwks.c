/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/jwks.h"

#include <json.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64url.h"
#include "base/file.h"
#include "base/json.h"
#include "base/xalloc.h"

enum {
    FILE_SIZE_MAX = 256 * 1024,
    KEYS_MAX = 100,      /* a token without kid makes us try each */
    RSA_BITS_MAX = 8192, /* verifying with longer ones would slow down each request */
    EXPONENT_BITS_MAX = 64,
    NUMBER_MAX = 2048, /* characters of a number */
    COORDINATE = 32    /* bytes of P-256's */
};

/* --- members --------------------------------------------------------------------------------- */

/* The text of a member. "": absent; NULL: not text, or text with a NUL byte. */
static const char *text_of(struct json_object *jwk, const char *name)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(jwk, name, &value) || !value)
        return "";
    const char *text = json_object_get_string(value);
    return json_object_is_type(value, json_type_string) &&
                   strlen(text) == (size_t)json_object_get_string_len(value)
               ? text
               : NULL;
}

static bool is_text(struct json_object *jwk, const char *name, const char *expected)
{
    const char *text = text_of(jwk, name);

    return text && strcmp(text, expected) == 0;
}

static bool is_absent_or(struct json_object *jwk, const char *name, const char *expected)
{
    return is_text(jwk, name, "") || is_text(jwk, name, expected);
}

/* RFC 7517 section 4.3 */
static bool may_verify(struct json_object *jwk)
{
    struct json_object *operations = NULL;

    if (!json_object_object_get_ex(jwk, "key_ops", &operations) || !operations)
        return true;
    if (!json_object_is_type(operations, json_type_array))
        return false;
    for (size_t i = 0; i < json_object_array_length(operations); i++) {
        struct json_object *operation = json_object_array_get_idx(operations, i);
        if (json_object_is_type(operation, json_type_string) &&
            strcmp(json_object_get_string(operation), "verify") == 0)
            return true;
    }
    return false;
}

/* Decodes a base64url member. Returns its length; 0: malformed or too long. */
static size_t bytes_of(struct json_object *jwk, const char *name,
                       unsigned char out[BASE64URL_BYTES(NUMBER_MAX)])
{
    const char *text = text_of(jwk, name);

    return text ? base64url_decode(text, strlen(text), out, BASE64URL_BYTES(NUMBER_MAX)) : 0;
}

static BIGNUM *number_of(struct json_object *jwk, const char *name)
{
    unsigned char bytes[BASE64URL_BYTES(NUMBER_MAX)];
    size_t length = bytes_of(jwk, name, bytes);

    return length ? BN_bin2bn(bytes, (int)length, NULL) : NULL;
}

/* --- one key --------------------------------------------------------------------------------- */

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *members)
{
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(members);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (parameters && context && EVP_PKEY_fromdata_init(context) == 1)
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return pkey;
}

/* RFC 7518 section 6.3.1. Checks the numbers before OpenSSL gets them: with an exponent of 1, for
 * example, anybody could make a signature. */
static EVP_PKEY *read_rsa(struct json_object *jwk)
{
    BIGNUM *n = number_of(jwk, "n"), *e = number_of(jwk, "e");
    OSSL_PARAM_BLD *members = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;

    if (n && e && BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e) &&
        BN_num_bits(e) <= EXPONENT_BITS_MAX && BN_num_bits(n) >= KEYRING_RSA_BITS_MIN &&
        BN_num_bits(n) <= RSA_BITS_MAX &&
        OSSL_PARAM_BLD_push_BN(members, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(members, OSSL_PKEY_PARAM_RSA_E, e))
        pkey = make_key("RSA", members);
    OSSL_PARAM_BLD_free(members);
    BN_free(n);
    BN_free(e);
    return pkey;
}

/* Returns whether the point lies on its curve. */
static bool is_sound(EVP_PKEY *pkey)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool sound = context && EVP_PKEY_public_check(context) == 1;

    EVP_PKEY_CTX_free(context);
    return sound;
}

/* RFC 7518 section 6.2.1: both coordinates have their full length. */
static EVP_PKEY *read_p256(struct json_object *jwk)
{
    unsigned char bytes[BASE64URL_BYTES(NUMBER_MAX)];
    unsigned char point[1 + 2 * COORDINATE] = {4 /* uncompressed */};
    OSSL_PARAM_BLD *members = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    bool whole = true;

    for (int i = 0; i < 2; i++) {
        whole = whole && bytes_of(jwk, i ? "y" : "x", bytes) == COORDINATE;
        if (whole)
            memcpy(point + 1 + i * COORDINATE, bytes, COORDINATE);
    }
    if (whole &&
        OSSL_PARAM_BLD_push_utf8_string(members, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
        OSSL_PARAM_BLD_push_octet_string(members, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point))
        pkey = make_key("EC", members);
    OSSL_PARAM_BLD_free(members);
    if (pkey && !is_sound(pkey)) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    return pkey;
}

static const struct {
    const char *kty, *crv, *alg;
    enum algorithm algorithm;
    EVP_PKEY *(*read)(struct json_object *jwk);
} kinds[] = {
    {"RSA", "", "RS256", ALG_RS256, read_rsa},
    {"EC", "P-256", "ES256", ALG_ES256, read_p256},
};

/* Fills *key. Returns NULL, or why the key cannot be used (static). */
static const char *read_key(struct json_object *jwk, struct key *key)
{
    if (!json_object_is_type(jwk, json_type_object))
        return "is not a JSON object";
    const char *kid = text_of(jwk, "kid");
    if (!kid)
        return "has a kid that is not text";
    if (!is_absent_or(jwk, "use", "sig") || !may_verify(jwk))
        return "is not for signatures";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!is_text(jwk, "kty", kinds[i].kty) || !is_text(jwk, "crv", kinds[i].crv) ||
            !is_absent_or(jwk, "alg", kinds[i].alg))
            continue;
        key->pkey = kinds[i].read(jwk);
        ERR_clear_error();
        if (!key->pkey)
            return "is malformed, or RSA of other than 2048 to 8192 bits";
        key->algorithm = kinds[i].algorithm;
        key->kid = *kid ? xstrdup(kid) : NULL;
        return NULL;
    }
    return "is neither RSA (RS256) nor EC on P-256 (ES256)";
}

/* --- the set --------------------------------------------------------------------------------- */

/* Makes keys of those that can be used. The first that cannot be is named only if none is left. */
static enum err read_keys(struct json_object *keys, struct keyring *ring, struct error *e)
{
    size_t count = json_object_array_length(keys);
    const char *first = NULL;

    if (count > KEYS_MAX)
        return error_set(e, ERR_CONFIG, "has more than %d keys", KEYS_MAX);
    ring->keys = xcalloc(count ? count : 1, sizeof *ring->keys);
    for (size_t i = 0; i < count; i++) {
        const char *why = read_key(json_object_array_get_idx(keys, i), &ring->keys[ring->count]);
        if (why && !first)
            first = why;
        ring->count += !why;
    }
    ring->skipped = count - ring->count;
    if (ring->count == 0)
        return error_set(e, ERR_CONFIG, "has no key that can be used%s%s",
                         first ? ": the first one " : "", first ? first : "");
    return ERR_OK;
}

enum err jwks_parse(const char *text, size_t length, struct keyring **out, struct error *e)
{
    struct json_object *set = NULL, *keys = NULL;
    struct keyring *ring = xcalloc(1, sizeof *ring);
    enum err err = ERR_OK;

    *out = NULL;
    if (json_read(text, length, &set) || !json_object_object_get_ex(set, "keys", &keys) ||
        !json_object_is_type(keys, json_type_array))
        err = error_set(e, ERR_CONFIG, "is not a JSON object with an array of keys");
    else
        err = read_keys(keys, ring, e);
    json_object_put(set);
    if (err)
        keyring_free(ring);
    else
        *out = ring;
    return err;
}

enum err jwks_load(const char *path, struct keyring **out, struct error *e)
{
    struct error why = {0};
    bool open_to_all;
    size_t length = 0;
    char *text = NULL;

    *out = NULL;
    if (file_read(path, FILE_SIZE_MAX, &text, &length, &open_to_all, &why))
        return error_set(e, ERR_CONFIG, "auth.jwks: %s", why.detail);
    enum err err = jwks_parse(text, length, out, &why);
    free(text);
    return err ? error_set(e, err, "auth.jwks: %s %s", path, why.detail) : ERR_OK;
}
