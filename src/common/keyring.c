/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/keyring.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/xalloc.h"
#include "common/protocol.h"

enum {
    KEY_FILE_MAX = 16384,
    SECRET_MIN = 32 /* bytes; as long as the hash (RFC 7518 section 3.2) */
};

const char *const algorithm_names[] = {
    [ALG_HS256] = "HS256",
    [ALG_RS256] = "RS256",
    [ALG_ES256] = "ES256",
};

/* --- PEM ------------------------------------------------------------------------------------- */

/* Without a callback OpenSSL would ask at the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing, (void)arg;
    return -1;
}

static EVP_PKEY *parse_certificate(BIO *bio)
{
    X509 *certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    EVP_PKEY *pkey = certificate ? X509_get_pubkey(certificate) : NULL;

    X509_free(certificate);
    return pkey;
}

/* Tries what an operator may have: a private key, which can sign; a public key; or the certificate
 * that an identity provider gives out instead of one. */
static EVP_PKEY *parse_pem(const struct key *key, bool *is_private)
{
    BIO *bio = BIO_new_mem_buf(key->data, (int)key->length);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

    *is_private = pkey != NULL;
    if (!pkey) {
        BIO_reset(bio);
        pkey = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    }
    if (!pkey) {
        BIO_reset(bio);
        pkey = parse_certificate(bio);
    }
    BIO_free(bio);
    ERR_clear_error(); /* the attempts that failed; libraries that share the queue would see them */
    return pkey;
}

/* ES256 is P-256 and no other curve (RFC 7518 section 3.4): OpenSSL would verify with any.
 *
 * Reads the curve's name from the encoded key, which works with OpenSSL 1.1 and 3 alike. */
static bool on_p256(EVP_PKEY *pkey)
{
    X509_PUBKEY *public = NULL;
    X509_ALGOR *algorithm = NULL;
    const void *curve = NULL;
    int type = V_ASN1_UNDEF;

    if (X509_PUBKEY_set(&public, pkey) &&
        X509_PUBKEY_get0_param(NULL, NULL, NULL, &algorithm, public))
        X509_ALGOR_get0(NULL, &type, &curve, algorithm);
    bool yes = type == V_ASN1_OBJECT && OBJ_obj2nid(curve) == NID_X9_62_prime256v1;
    X509_PUBKEY_free(public);
    return yes;
}

/* RSA keys have at least 2048 bits (RFC 7518 section 3.3). */
static const char *pem_problem(const struct key *key, EVP_PKEY *pkey)
{
    if (!pkey)
        return "holds no key and no certificate in PEM form without a passphrase";
    if (key->algorithm == ALG_RS256 && EVP_PKEY_base_id(pkey) != EVP_PKEY_RSA)
        return "holds no RSA key: make one with openssl genpkey -algorithm RSA -pkeyopt "
               "rsa_keygen_bits:2048";
    if (key->algorithm == ALG_RS256 && EVP_PKEY_bits(pkey) < KEYRING_RSA_BITS_MIN)
        return "holds an RSA key of less than 2048 bits: make a longer one";
    if (key->algorithm == ALG_ES256 && (EVP_PKEY_base_id(pkey) != EVP_PKEY_EC || !on_p256(pkey)))
        return "holds no EC key on P-256: make one with openssl genpkey -algorithm EC -pkeyopt "
               "ec_paramgen_curve:P-256";
    return NULL;
}

/* --- one key --------------------------------------------------------------------------------- */

static enum err refuse(const struct key *key, const char *path, const char *why, struct error *e)
{
    return error_set(e, ERR_CONFIG, "auth.keys: key %s (%s) %s", key->kid, path, why);
}

static enum err accept_pem(struct key *key, const char *path, bool open_to_all, struct error *e)
{
    key->pkey = parse_pem(key, &key->can_sign);
    const char *why = pem_problem(key, key->pkey);

    if (!why && key->can_sign && open_to_all)
        why = "is a private key that is open to all users: chmod o= the file";
    return why ? refuse(key, path, why, e) : ERR_OK;
}

/* A secret is the bytes of the file. PEM is refused: whoever puts a public key here would make a
 * secret of what everybody knows. */
static enum err accept_secret(struct key *key, const char *path, bool open_to_all, struct error *e)
{
    if (open_to_all)
        return refuse(key, path, "is a secret that is open to all users: chmod o= the file", e);
    if (key->length && key->data[key->length - 1] == '\n')
        key->length--;
    if (key->length && key->data[key->length - 1] == '\r')
        key->length--;
    if (key->length < SECRET_MIN)
        return refuse(key, path,
                      "is shorter than 32 bytes: make one with openssl rand -hex -out FILE 32 && "
                      "chmod 600 FILE",
                      e);
    if (strncmp((const char *)key->data, "-----BEGIN ", 11) == 0)
        return refuse(key, path, "holds PEM, not a secret: use RS256 or ES256", e);
    key->can_sign = true;
    return ERR_OK;
}

static bool algorithm_from_name(const char *name, size_t length, enum algorithm *out)
{
    for (int i = 0; i < ALG_COUNT; i++) {
        if (strlen(algorithm_names[i]) == length &&
            strncmp(name, algorithm_names[i], length) == 0) {
            *out = (enum algorithm)i;
            return true;
        }
    }
    return false;
}

/* Splits KID:ALGORITHM:FILE at the first two colons; returns FILE, or NULL. A kid may be what
 * identity providers make of it: AWS Cognito's have `=`, `/` and `+`. */
static const char *parse_spec(const char *spec, struct key *key)
{
    size_t kid_length = strcspn(spec, ":");
    const char *algorithm = spec + kid_length + 1;

    if (!spec[kid_length] || !ident_valid_user(spec, kid_length))
        return NULL;
    key->kid = xstrndup(spec, kid_length);
    size_t length = strcspn(algorithm, ":");
    if (!algorithm_from_name(algorithm, length, &key->algorithm) || !algorithm[length] ||
        !algorithm[length + 1])
        return NULL;
    return algorithm + length + 1;
}

static enum err load_key(const char *spec, struct key *key, struct error *e)
{
    const char *path = parse_spec(spec, key);
    struct error why = {0};
    bool open_to_all;
    char *data = NULL;

    if (!path)
        return error_set(e, ERR_CONFIG,
                         "auth.keys: '%s' is not KID:ALGORITHM:FILE with ALGORITHM HS256, RS256 or "
                         "ES256",
                         spec);
    if (file_read(path, KEY_FILE_MAX, &data, &key->length, &open_to_all, &why))
        return error_set(e, ERR_CONFIG, "auth.keys: key %s: %s", key->kid, why.detail);
    key->data = (unsigned char *)data;
    return key->algorithm == ALG_HS256 ? accept_secret(key, path, open_to_all, e)
                                       : accept_pem(key, path, open_to_all, e);
}

/* --- the ring -------------------------------------------------------------------------------- */

/* A token names its key by kid, so the second of two keys with one kid would never be used. */
static bool kid_taken(const struct keyring *ring, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(ring->keys[i].kid, ring->keys[index].kid) == 0)
            return true;
    }
    return false;
}

enum err keyring_load(const struct strlist *specs, struct keyring **out, struct error *e)
{
    *out = NULL;
    if (specs->count == 0)
        return error_set(e, ERR_CONFIG,
                         "auth.keys names no key: set it to KID:HS256:FILE, and make the file with "
                         "openssl rand -hex -out FILE 32 && chmod 600 FILE");
    struct keyring *ring = xcalloc(1, sizeof *ring);
    ring->keys = xcalloc(specs->count, sizeof *ring->keys);
    ring->count = specs->count;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < ring->count; i++) {
        err = load_key(specs->items[i], &ring->keys[i], e);
        if (!err && kid_taken(ring, i))
            err = error_set(e, ERR_CONFIG, "auth.keys: key %s is given twice", ring->keys[i].kid);
    }
    if (err) {
        keyring_free(ring);
        return err;
    }
    *out = ring;
    return ERR_OK;
}

void keyring_free(struct keyring *ring)
{
    if (!ring)
        return;
    for (size_t i = 0; i < ring->count; i++) {
        if (ring->keys[i].data)
            OPENSSL_cleanse(ring->keys[i].data, ring->keys[i].length);
        free(ring->keys[i].data);
        free(ring->keys[i].kid);
        EVP_PKEY_free(ring->keys[i].pkey);
    }
    keyring_free(ring->provider);
    free(ring->keys);
    free(ring);
}
