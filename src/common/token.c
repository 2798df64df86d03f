/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/token.h"

#include <json.h>
#include <jwt.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64url.h"
#include "base/clock.h"
#include "base/json.h"
#include "common/claims.h"

enum { P256_NUMBER = 32 /* bytes */ };

static const jwt_alg_t jwt_algorithms[] = {
    [ALG_HS256] = JWT_ALG_HS256,
    [ALG_RS256] = JWT_ALG_RS256,
    [ALG_ES256] = JWT_ALG_ES256,
};

/* --- the three segments ---------------------------------------------------------------------- */

struct segment {
    const char *text; /* borrowed from the token */
    size_t length;
};

enum { HEADER, PAYLOAD, SIGNATURE, SEGMENTS };

/* The compact form is three segments, of base64url, joined by dots (RFC 7515 section 3.1). The
 * length is bounded before anything is decoded. */
static bool split(const char *token, struct segment segments[SEGMENTS])
{
    static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "0123456789-_";

    if (strnlen(token, TOKEN_MAX + 1) > TOKEN_MAX)
        return false;
    for (int i = 0; i < SEGMENTS; i++) {
        size_t length = strspn(token, base64url);
        if (length == 0 || length % 4 == 1 || token[length] != (i < SIGNATURE ? '.' : '\0'))
            return false;
        segments[i] = (struct segment){token, length};
        token += length + 1;
    }
    return true;
}

/* Decodes a segment that is exactly one JSON object; NULL otherwise. The caller releases it
 * (json_object_put). */
static struct json_object *parse(const struct segment *segment)
{
    unsigned char text[BASE64URL_BYTES(TOKEN_MAX)];
    size_t length = base64url_decode(segment->text, segment->length, text, sizeof text);
    struct json_object *object = NULL;

    json_read((const char *)text, length, &object);
    return object;
}

/* --- the header ------------------------------------------------------------------------------ */

/* *out is NULL when the member is absent. It never holds a NUL byte. */
static enum err get_text(struct json_object *header, const char *name, const char **out,
                         struct error *e)
{
    struct json_object *value = NULL;

    *out = NULL;
    if (!json_object_object_get_ex(header, name, &value))
        return ERR_OK;
    const char *text = json_object_get_string(value);
    if (!json_object_is_type(value, json_type_string) ||
        strlen(text) != (size_t)json_object_get_string_len(value))
        return error_set(e, ERR_TOKEN, "%s in the header is not text", name);
    *out = text;
    return ERR_OK;
}

static bool algorithm_by_name(const char *name, enum algorithm *out)
{
    for (int i = 0; i < ALG_COUNT; i++) {
        if (strcmp(name, algorithm_names[i]) == 0) {
            *out = (enum algorithm)i;
            return true;
        }
    }
    return false;
}

/* Accepts ID tokens and access tokens (RFC 9068), but not tokens made for another purpose, such as
 * logout+jwt. The type is in any case, and usually without its prefix: RFC 7515 section 4.1.9. */
static bool is_right_type(const char *type)
{
    static const char prefix[] = "application/";

    if (strncasecmp(type, prefix, strlen(prefix)) == 0)
        type += strlen(prefix);
    return strcasecmp(type, "JWT") == 0 || strcasecmp(type, "at+jwt") == 0;
}

static enum err read_header(struct json_object *header, enum algorithm *algorithm, const char **kid,
                            struct error *e)
{
    const char *name, *type;

    if (json_object_object_get_ex(header, "crit", NULL)) /* RFC 7515 section 4.1.11 */
        return error_set(e, ERR_TOKEN, "critical header extension");
    if (get_text(header, "alg", &name, e) || get_text(header, "typ", &type, e) ||
        get_text(header, "kid", kid, e))
        return ERR_TOKEN;
    if (!name || !algorithm_by_name(name, algorithm))
        return error_set(e, ERR_TOKEN, "algorithm not accepted");
    if (type && !is_right_type(type))
        return error_set(e, ERR_TOKEN, "typ is neither JWT nor at+jwt");
    return ERR_OK;
}

/* --- the signature --------------------------------------------------------------------------- */

struct signature {
    const unsigned char *text; /* the signed text */
    size_t text_length;
    unsigned char bytes[BASE64URL_BYTES(TOKEN_MAX)];
    size_t length;
};

/* In constant time, or the time of a response would tell how many bytes of a guess are right. */
static bool hmac_matches(const struct key *key, const struct signature *signature)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    return key->data && key->length > 0 &&
           HMAC(EVP_sha256(), key->data, (int)key->length, signature->text, signature->text_length,
                mac, &length) &&
           length == signature->length && CRYPTO_memcmp(mac, signature->bytes, length) == 0;
}

/* A context for each signature: keys are shared by threads, contexts must not be. */
static bool digest_verifies(const struct key *key, const struct signature *signature,
                            const unsigned char *bytes, size_t length)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good =
        key->pkey && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
        EVP_DigestVerify(context, bytes, length, signature->text, signature->text_length) == 1;

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good;
}

/* RFC 7518 section 3.4: a signature is two numbers of full length. OpenSSL expects DER. */
static bool ecdsa_verifies(const struct key *key, const struct signature *signature)
{
    unsigned char *der = NULL;

    if (signature->length != 2 * P256_NUMBER)
        return false;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    ECDSA_SIG_set0(pair, BN_bin2bn(signature->bytes, P256_NUMBER, NULL),
                   BN_bin2bn(signature->bytes + P256_NUMBER, P256_NUMBER, NULL));
    int length = i2d_ECDSA_SIG(pair, &der);
    bool good = length > 0 && digest_verifies(key, signature, der, (size_t)length);
    OPENSSL_free(der);
    ECDSA_SIG_free(pair);
    return good;
}

static bool verified_by(const struct key *key, const struct signature *signature)
{
    switch (key->algorithm) {
    case ALG_HS256:
        return hmac_matches(key, signature);
    case ALG_RS256:
        return digest_verifies(key, signature, signature->bytes, signature->length);
    case ALG_ES256:
        return ecdsa_verifies(key, signature);
    default:
        return false;
    }
}

/* A provider's key without a kid is tried for any token. */
static bool fits(const struct key *key, enum algorithm algorithm, const char *kid)
{
    return key->algorithm == algorithm && (!kid || !key->kid || strcmp(kid, key->kid) == 0);
}

/* The header only says which key to try: kid and algorithm must be those of a key that is
 * configured. *own: the key is the ring's own, and not a provider's. */
static enum err check_signature(const struct keyring *ring, const struct segment *segments,
                                struct json_object *header, bool *own, struct error *e)
{
    const struct segment *last = &segments[SIGNATURE];
    struct signature signature = {.text = (const unsigned char *)segments[HEADER].text,
                                  .text_length = (size_t)(last->text - segments[HEADER].text) - 1};
    enum algorithm algorithm = ALG_COUNT;
    const char *kid = NULL;
    bool tried = false;

    if (read_header(header, &algorithm, &kid, e))
        return ERR_TOKEN;
    signature.length =
        base64url_decode(last->text, last->length, signature.bytes, sizeof signature.bytes);
    for (const struct keyring *some = ring; some; some = some->provider) {
        *own = some == ring;
        for (size_t i = 0; i < some->count; i++) {
            if (!fits(&some->keys[i], algorithm, kid))
                continue;
            tried = true;
            if (verified_by(&some->keys[i], &signature))
                return ERR_OK;
        }
    }
    return error_set(e, ERR_TOKEN, tried ? "bad signature" : "no key of that kid and algorithm");
}

enum err token_verify(const struct settings *settings, const struct keyring *ring,
                      const char *token, int64_t now, struct principal *out, struct error *e)
{
    struct segment segments[SEGMENTS];
    struct json_object *header = NULL, *claims = NULL;
    enum err err = ERR_TOKEN;
    bool own = false;

    memset(out, 0, sizeof *out);
    if (!split(token, segments))
        return error_set(e, ERR_TOKEN, "not a compact JWS of at most %d bytes", TOKEN_MAX);
    header = parse(&segments[HEADER]);
    claims = parse(&segments[PAYLOAD]);
    if (!header || !claims)
        error_set(e, ERR_TOKEN, "header or payload is not a JSON object");
    else if (!check_signature(ring, segments, header, &own, e))
        err = claims_read(settings, claims, own, now, out, e);
    json_object_put(claims);
    json_object_put(header);
    return err;
}

/* --- minting --------------------------------------------------------------------------------- */

/* The first, so that a new key that stands before an old one signs, while both verify. */
static const struct key *signing_key(const struct keyring *ring)
{
    for (size_t i = 0; i < ring->count; i++) {
        if (ring->keys[i].can_sign)
            return &ring->keys[i];
    }
    return NULL;
}

/* Adds a claim under the name that is read first. Two settings may name one claim; the first value
 * stays. */
static bool add(jwt_t *jwt, const struct strlist *names, const char *value)
{
    return jwt_get_grant(jwt, names->items[0]) || jwt_add_grant(jwt, names->items[0], value) == 0;
}

static bool fill_identity(jwt_t *jwt, const struct settings *settings, const struct principal *who)
{
    char *role = role_to_claim(&settings->auth.roles, who->role);
    bool filled;

    if (who->role == ROLE_AGENT)
        filled = jwt_add_grant(jwt, "role", role) == 0 &&
                 jwt_add_grant(jwt, "agent_id", who->user_id) == 0 &&
                 jwt_add_grant_int(jwt, "generation", (long)who->generation) == 0;
    else if (who->role == ROLE_METRICS)
        filled = jwt_add_grant(jwt, "role", role) == 0 &&
                 jwt_add_grant(jwt, "user_id", who->user_id) == 0;
    else
        filled = role && add(jwt, &settings->auth.claim_user, who->user_id) &&
                 add(jwt, &settings->auth.claim_role, role) &&
                 add(jwt, &settings->auth.claim_tenant, who->tenant_id) &&
                 add(jwt, &settings->auth.claim_username, who->username);
    free(role);
    return filled;
}

static bool fill(jwt_t *jwt, const struct settings *settings, const struct key *key,
                 const struct principal *who, int64_t now, long ttl)
{
    const char *issuer = settings->auth.issuer, *audience = settings->auth.audience;

    return jwt_set_alg(jwt, jwt_algorithms[key->algorithm], key->data, (int)key->length) == 0 &&
           jwt_add_header(jwt, "kid", key->kid) == 0 &&
           jwt_add_grant_int(jwt, "iat", (long)now) == 0 &&
           jwt_add_grant_int(jwt, "exp", (long)now + ttl) == 0 &&
           fill_identity(jwt, settings, who) &&
           (!*issuer || jwt_add_grant(jwt, "iss", issuer) == 0) &&
           (!*audience || jwt_add_grant(jwt, "aud", audience) == 0);
}

/* Two names for one claim, or a claim that has no value for this role, would make a token that
 * speaks for somebody else. So a new token is read back before it is given out. */
static bool same(const struct principal *a, const struct principal *b)
{
    return a->role == b->role && strcmp(a->user_id, b->user_id) == 0 &&
           strcmp(a->tenant_id, b->tenant_id) == 0 && strcmp(a->username, b->username) == 0;
}

enum err token_mint(const struct settings *settings, const struct keyring *ring,
                    const struct principal *who, int64_t now, long ttl, char **out, struct error *e)
{
    const struct key *key = signing_key(ring);
    struct principal back;
    jwt_t *jwt = NULL;

    *out = NULL;
    if (!key)
        return error_set(e, ERR_CONFIG, "auth.keys: no key can sign, all are public keys");
    if (ttl < 1 || ttl > CLOCK_MAX - now)
        return error_set(e, ERR_REQUEST, "the time to live is out of range");
    if (jwt_new(&jwt) == 0 && fill(jwt, settings, key, who, now, ttl))
        *out = jwt_encode_str(jwt);
    jwt_free(jwt);
    if (!*out)
        return error_set(e, ERR_INTERNAL, "libjwt cannot sign with key %s", key->kid);
    enum err err = token_verify(settings, ring, *out, now, &back, e);
    if (!err && !same(who, &back))
        err = error_set(e, ERR_CONFIG,
                        "the claims named by auth.claim_* cannot express this principal");
    if (err) { /* such as a user id that no request may have */
        free(*out);
        *out = NULL;
    }
    return err;
}
