/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/token.h"

#include <json.h>
#include <jwt.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

static const int64_t time_max = 253402300799; /* the end of the year 9999 */

static const jwt_alg_t jwt_algorithms[] = {
    [ALG_HS256] = JWT_ALG_HS256,
    [ALG_RS256] = JWT_ALG_RS256,
    [ALG_ES256] = JWT_ALG_ES256,
};

/* --- the three segments -------------------------------------------------- */

struct segment {
    const char *text; /* borrowed from the token */
    size_t length;
};

enum { HEADER, PAYLOAD, SIGNATURE, SEGMENTS };

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

/* Decodes what split() has accepted; returns the number of bytes. */
static size_t decode(const struct segment *segment, unsigned char out[TOKEN_MAX])
{
    unsigned char base64[TOKEN_MAX + 4];
    size_t padding = (4 - segment->length % 4) % 4;

    for (size_t i = 0; i < segment->length; i++) {
        char c = segment->text[i];
        base64[i] = (unsigned char)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    memset(base64 + segment->length, '=', padding);
    int length = EVP_DecodeBlock(out, base64, (int)(segment->length + padding));
    return length < 0 ? 0 : (size_t)length - padding;
}

/* One JSON object and nothing around it; NULL otherwise. The caller puts it. */
static struct json_object *parse(const struct segment *segment)
{
    unsigned char text[TOKEN_MAX];
    size_t length = decode(segment, text);
    struct json_object *object = NULL;

    json_read((const char *)text, length, &object);
    return object;
}

/* --- members ------------------------------------------------------------- */

static bool is_text(struct json_object *value, const char *expected)
{
    return json_object_is_type(value, json_type_string) &&
           (size_t)json_object_get_string_len(value) == strlen(expected) &&
           strcmp(json_object_get_string(value), expected) == 0;
}

/* *out is NULL when the claim is absent, and never holds a NUL byte. */
static enum err get_text(struct json_object *object, const char *name, const char **out,
                         struct error *e)
{
    struct json_object *value = NULL;

    *out = NULL;
    if (!json_object_object_get_ex(object, name, &value))
        return ERR_OK;
    if (!json_object_is_type(value, json_type_string))
        return error_set(e, ERR_TOKEN, "%s is not a string", name);
    const char *text = json_object_get_string(value);
    if (strlen(text) != (size_t)json_object_get_string_len(value))
        return error_set(e, ERR_TOKEN, "%s holds a NUL byte", name);
    *out = text;
    return ERR_OK;
}

/* *out keeps its value when the claim is absent. */
static enum err get_integer(struct json_object *claims, const char *name, int64_t *out,
                            struct error *e)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(claims, name, &value))
        return ERR_OK;
    if (!json_object_is_type(value, json_type_int))
        return error_set(e, ERR_TOKEN, "%s is not an integer", name);
    *out = json_object_get_int64(value);
    return ERR_OK;
}

static enum err get_ident(struct json_object *claims, const char *name, char out[IDENT_MAX + 1],
                          bool *found, struct error *e)
{
    const char *text;
    enum err err = get_text(claims, name, &text, e);

    *found = text != NULL;
    if (err || !text)
        return err;
    if (!ident_valid(text, strlen(text)))
        return error_set(e, ERR_TOKEN, "%s is not an identifier", name);
    strcpy(out, text);
    return ERR_OK;
}

/* --- header and signature ------------------------------------------------ */

static bool find_algorithm(struct json_object *header, enum algorithm *out)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(header, "alg", &value))
        return false;
    for (int i = 0; i < ALG_COUNT; i++) {
        if (is_text(value, algorithm_names[i])) {
            *out = (enum algorithm)i;
            return true;
        }
    }
    return false;
}

static bool verified_by(const struct key *key, const char *token)
{
    const unsigned char *material = key->data;
    size_t length = key->length;
    jwt_t *jwt = NULL;

    if (key->verify_pem) {
        material = (const unsigned char *)key->verify_pem;
        length = strlen(key->verify_pem);
    }
    if (!material || length == 0) /* libjwt would verify nothing */
        return false;
    bool valid = jwt_decode(&jwt, token, material, (int)length) == 0 &&
                 jwt_get_alg(jwt) == jwt_algorithms[key->algorithm];
    jwt_free(jwt);
    return valid;
}

static enum err check_signature(const struct keyring *ring, const char *token,
                                struct json_object *header, struct error *e)
{
    enum algorithm algorithm;
    const char *kid;
    bool tried = false;

    if (json_object_object_get_ex(header, "crit", NULL)) /* RFC 7515 section 4.1.11 */
        return error_set(e, ERR_TOKEN, "critical header extension");
    if (!find_algorithm(header, &algorithm))
        return error_set(e, ERR_TOKEN, "algorithm not accepted");
    if (get_text(header, "kid", &kid, e))
        return ERR_TOKEN;
    for (size_t i = 0; i < ring->count; i++) {
        const struct key *key = &ring->keys[i];
        if (key->algorithm != algorithm || (kid && strcmp(kid, key->kid) != 0))
            continue;
        tried = true;
        if (verified_by(key, token))
            return ERR_OK;
    }
    return error_set(e, ERR_TOKEN,
                     tried ? "signature, typ or JSON refused by libjwt"
                           : "no key of that kid and algorithm");
}

/* --- claims -------------------------------------------------------------- */

static enum err check_times(struct json_object *claims, int64_t now, long leeway,
                            int64_t *valid_until, struct error *e)
{
    int64_t expires = 0, not_before = now, issued = now;

    if (get_integer(claims, "exp", &expires, e) || get_integer(claims, "nbf", &not_before, e) ||
        get_integer(claims, "iat", &issued, e))
        return ERR_TOKEN;
    if (expires <= 0 || expires > time_max)
        return error_set(e, ERR_TOKEN, "exp is missing or out of range");
    if (now >= expires + leeway)
        return error_set(e, ERR_TOKEN, "expired");
    if (not_before > now + leeway)
        return error_set(e, ERR_TOKEN, "not valid yet");
    *valid_until = expires + leeway;
    return ERR_OK;
}

/* RFC 7519 section 4.1.3: one string, or an array of them. */
static bool has_audience(struct json_object *claims, const char *audience)
{
    struct json_object *value = NULL;
    bool found = false;

    json_object_object_get_ex(claims, "aud", &value);
    if (!json_object_is_type(value, json_type_array))
        return is_text(value, audience);
    for (size_t i = 0; !found && i < json_object_array_length(value); i++)
        found = is_text(json_object_array_get_idx(value, i), audience);
    return found;
}

static enum err check_origin(const struct settings *settings, struct json_object *claims,
                             struct error *e)
{
    const char *issuer = settings->auth.issuer, *audience = settings->auth.audience;
    struct json_object *value = NULL;

    json_object_object_get_ex(claims, "iss", &value);
    if (*issuer && !is_text(value, issuer))
        return error_set(e, ERR_TOKEN, "other issuer");
    if (*audience && !has_audience(claims, audience))
        return error_set(e, ERR_TOKEN, "other audience");
    return ERR_OK;
}

static enum err get_username(struct json_object *claims, struct principal *out, struct error *e)
{
    const char *name;

    if (get_text(claims, "username", &name, e))
        return ERR_TOKEN;
    if (!name)
        name = out->user_id;
    if (!*name || strlen(name) > USERNAME_MAX || !utf8_plain(name, strlen(name)))
        return error_set(e, ERR_TOKEN, "username is not 1 to 255 bytes of plain text");
    strcpy(out->username, name);
    return ERR_OK;
}

static enum err get_agent(struct json_object *claims, struct principal *out, struct error *e)
{
    bool found;

    if (get_ident(claims, "agent_id", out->user_id, &found, e))
        return ERR_TOKEN;
    if (!found)
        return error_set(e, ERR_TOKEN, "no agent_id");
    return get_integer(claims, "generation", &out->generation, e);
}

static enum err get_principal(const struct settings *settings, struct json_object *claims,
                              struct principal *out, struct error *e)
{
    const char *role;
    bool found;

    if (get_text(claims, "role", &role, e))
        return ERR_TOKEN;
    out->role = (enum role)settings->auth.default_role;
    if (role && !role_from_name(role, &out->role))
        return error_set(e, ERR_TOKEN, "unknown role");
    if (out->role == ROLE_AGENT)
        return get_agent(claims, out, e);
    if (get_ident(claims, "user_id", out->user_id, &found, e) ||
        (!found && get_ident(claims, "sub", out->user_id, &found, e)))
        return ERR_TOKEN;
    if (!found)
        return error_set(e, ERR_TOKEN, "neither user_id nor sub");
    if (get_ident(claims, "tenant_id", out->tenant_id, &found, e))
        return ERR_TOKEN;
    if (!found && out->role == ROLE_COMPANY_ADMIN) /* of which company? */
        return error_set(e, ERR_TOKEN, "company_admin without tenant_id");
    if (!found)
        strcpy(out->tenant_id, "default");
    return get_username(claims, out, e);
}

enum err token_verify(const struct settings *settings, const struct keyring *ring,
                      const char *token, int64_t now, struct principal *out, struct error *e)
{
    struct segment segments[SEGMENTS];
    struct json_object *header = NULL, *claims = NULL;
    enum err err = ERR_TOKEN;

    memset(out, 0, sizeof *out);
    if (!split(token, segments))
        return error_set(e, ERR_TOKEN, "not a compact JWS of at most %d bytes", TOKEN_MAX);
    header = parse(&segments[HEADER]);
    claims = parse(&segments[PAYLOAD]);
    if (!header || !claims)
        error_set(e, ERR_TOKEN, "header or payload is not a JSON object");
    else if (!check_signature(ring, token, header, e) &&
             !check_times(claims, now, settings->auth.leeway, &out->valid_until, e) &&
             !check_origin(settings, claims, e))
        err = get_principal(settings, claims, out, e);
    json_object_put(claims);
    json_object_put(header);
    return err;
}

/* --- minting ------------------------------------------------------------- */

static const struct key *signing_key(const struct keyring *ring)
{
    for (size_t i = 0; i < ring->count; i++) {
        if (ring->keys[i].can_sign)
            return &ring->keys[i];
    }
    return NULL;
}

static bool fill_identity(jwt_t *jwt, const struct principal *who)
{
    if (who->role == ROLE_AGENT)
        return jwt_add_grant(jwt, "agent_id", who->user_id) == 0 &&
               jwt_add_grant_int(jwt, "generation", (long)who->generation) == 0;
    return jwt_add_grant(jwt, "user_id", who->user_id) == 0 &&
           jwt_add_grant(jwt, "username", who->username) == 0 &&
           jwt_add_grant(jwt, "tenant_id", who->tenant_id) == 0;
}

static bool fill(jwt_t *jwt, const struct settings *settings, const struct key *key,
                 const struct principal *who, int64_t now, long ttl)
{
    const char *issuer = settings->auth.issuer, *audience = settings->auth.audience;

    return jwt_set_alg(jwt, jwt_algorithms[key->algorithm], key->data, (int)key->length) == 0 &&
           jwt_add_header(jwt, "kid", key->kid) == 0 &&
           jwt_add_grant_int(jwt, "iat", (long)now) == 0 &&
           jwt_add_grant_int(jwt, "exp", (long)now + ttl) == 0 &&
           jwt_add_grant(jwt, "role", role_names[who->role]) == 0 && fill_identity(jwt, who) &&
           (!*issuer || jwt_add_grant(jwt, "iss", issuer) == 0) &&
           (!*audience || jwt_add_grant(jwt, "aud", audience) == 0);
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
    if (ttl < 1 || ttl > time_max - now)
        return error_set(e, ERR_REQUEST, "the time to live is out of range");
    if (jwt_new(&jwt) == 0 && fill(jwt, settings, key, who, now, ttl))
        *out = jwt_encode_str(jwt);
    jwt_free(jwt);
    if (!*out)
        return error_set(e, ERR_INTERNAL, "libjwt cannot sign with key %s", key->kid);
    enum err err = token_verify(settings, ring, *out, now, &back, e);
    if (err) { /* such as a user id that no request may carry */
        free(*out);
        *out = NULL;
    }
    return err;
}
