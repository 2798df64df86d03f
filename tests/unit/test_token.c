/* SPDX-License-Identifier: MIT */
/* common/token: shape, header and signature. Most of these tokens must be refused. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "common/token.h"
#include "forge.h"

enum { NOW = 1800000000 }; /* as in the rows below: exp is NOW + 60 */

static char secret1[] = "0123456789abcdef0123456789abcdef";
static char secret2[] = "fedcba9876543210fedcba9876543210";

static char k1[] = "k1", k2[] = "k2", rsa[] = "rsa";
static char *rsa_pem;

static struct key keys[] = {
    {k1, ALG_HS256, (unsigned char *)secret1, sizeof secret1 - 1, true, NULL},
    {k2, ALG_HS256, (unsigned char *)secret2, sizeof secret2 - 1, true, NULL},
    {rsa, ALG_RS256, NULL, 0, false, NULL}, /* pkey is set in set_up */
};
static const struct keyring ring = {.keys = keys, .count = sizeof keys / sizeof *keys};

/* `detail` is the expected reason; NULL: accepted. */
static void check(const char *token, const char *detail, struct principal *who)
{
    struct error e = {0};
    enum err err = token_verify(&forge_settings, &ring, token, NOW, who, &e);

    if (strcmp(e.detail, detail ? detail : "") != 0)
        print_error("%s\n", token);
    assert_string_equal(e.detail, detail ? detail : "");
    assert_int_equal(err, detail ? ERR_TOKEN : ERR_OK);
}

/* --- header -------------------------------------------------------------- */

#define GOOD "{'user_id':'u1','exp':1800000060}"
#define NO_KEY "no key of that kid and algorithm"
#define REFUSED "bad signature"
#define BAD_TYPE "typ is neither JWT nor at+jwt"
#define NOT_OBJECT "header or payload is not a JSON object"

static const struct {
    const char *header, *key, *detail;
} headers[] = {
    {"{'alg':'HS256'}", secret1, NULL},
    {"{'alg':'HS256'}", secret2, NULL},
    {"{'alg':'HS256','typ':'JWT','kid':'k1'}", secret1, NULL},
    {" {'alg':'HS256','kid':'k2'}\n", secret2, NULL},
    {"{'alg':'HS256'}", "another secret, of no key at all", REFUSED},
    {"{'alg':'HS256'}", "", REFUSED},
    {"{'alg':'HS256','kid':'k1'}", secret2, REFUSED},
    {"{'alg':'HS256','kid':'k3'}", secret1, NO_KEY},
    {"{'alg':'HS256','kid':'K1'}", secret1, NO_KEY},
    {"{'alg':'HS256','kid':''}", secret1, NO_KEY},
    {"{'alg':'HS256','kid':'rsa'}", secret1, NO_KEY},
    {"{'alg':'RS256','kid':'k1'}", secret1, NO_KEY},
    {"{'alg':'ES256'}", secret1, NO_KEY},
    {"{'alg':'RS256'}", secret1, REFUSED},
    {"{'alg':'HS256','kid':1}", secret1, "kid in the header is not text"},
    {"{'alg':'HS256','kid':null}", secret1, "kid in the header is not text"},
    {"{'alg':'HS256','kid':'k1\\u0000'}", secret1, "kid in the header is not text"},
    {"{'alg':'HS256','crit':['exp'],'exp':1}", secret1, "critical header extension"},
    {"{'alg':'HS256','crit':null}", secret1, "critical header extension"},
    {"{'alg':'HS256','typ':'jwt'}", secret1, NULL},
    {"{'alg':'HS256','typ':'at+jwt'}", secret1, NULL},
    {"{'alg':'HS256','typ':'AT+JWT'}", secret1, NULL},
    {"{'alg':'HS256','typ':'application/at+jwt'}", secret1, NULL},
    {"{'alg':'HS256','typ':'at+jwt'}", "another secret, of no key at all", REFUSED},
    {"{'alg':'HS256','typ':'logout+jwt'}", secret1, BAD_TYPE},
    {"{'alg':'HS256','typ':'application/'}", secret1, BAD_TYPE},
    {"{'alg':'HS256','typ':''}", secret1, BAD_TYPE},
    {"{'alg':'HS256','typ':1}", secret1, "typ in the header is not text"},
    {"{}", secret1, "algorithm not accepted"},
    {"{'alg':'none'}", secret1, "algorithm not accepted"},
    {"{'alg':'nOnE'}", secret1, "algorithm not accepted"},
    {"{'alg':'hs256'}", secret1, "algorithm not accepted"},
    {"{'alg':'HS384'}", secret1, "algorithm not accepted"},
    {"{'alg':'HS512'}", secret1, "algorithm not accepted"},
    {"{'alg':'HS256\\u0000'}", secret1, "alg in the header is not text"},
    {"{'alg':'HS256 '}", secret1, "algorithm not accepted"},
    {"{'alg':''}", secret1, "algorithm not accepted"},
    {"{'alg':['HS256']}", secret1, "alg in the header is not text"},
    {"{'alg':null}", secret1, "alg in the header is not text"},
    {"{'alg':'HS256','alg':'none'}", secret1, "algorithm not accepted"},
    {"['alg','HS256']", secret1, NOT_OBJECT},
    {"'HS256'", secret1, NOT_OBJECT},
    {"{'alg':'HS256'", secret1, NOT_OBJECT},
    {"{'alg':'HS256'}}", secret1, NOT_OBJECT},
    {"{'alg':'HS256'} {}", secret1, NOT_OBJECT},
    {"{'alg':'HS256',}", secret1, NOT_OBJECT},
    {"{'alg':'HS256'} // x", secret1, NOT_OBJECT},
    {"null", secret1, NOT_OBJECT},
};

static void test_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct principal who;
        char *token = forge(headers[i].header, GOOD, sizeof GOOD - 1, EVP_sha256(), headers[i].key);
        check(token, headers[i].detail, &who);
        free(token);
    }
}

/* --- algorithm confusion ------------------------------------------------- */

static void test_confusion(void **state)
{
    (void)state;
    static const char *const details[][2] = {
        {"{'alg':'HS256'}", REFUSED},
        {"{'alg':'HS256','kid':'rsa'}", NO_KEY},
        {"{'alg':'RS256','kid':'rsa'}", REFUSED},
    };
    struct principal who;

    for (size_t i = 0; i < sizeof details / sizeof *details; i++) {
        char *token = forge(details[i][0], GOOD, sizeof GOOD - 1, EVP_sha256(), rsa_pem);
        check(token, details[i][1], &who);
        free(token);
    }
    char *token = forge("{'alg':'HS256'}", GOOD, sizeof GOOD - 1, EVP_sha512(), secret1);
    check(token, REFUSED, &who);
    free(token);
}

/* A key without material verifies nothing. */
static void test_empty_keys(void **state)
{
    (void)state;
    static unsigned char no_bytes[1];
    struct key empty[] = {
        {k1, ALG_HS256, NULL, 0, true, NULL},
        {k2, ALG_HS256, no_bytes, 0, true, NULL},
        {rsa, ALG_RS256, NULL, 0, false, NULL},
    };
    const struct keyring empties = {.keys = empty, .count = sizeof empty / sizeof *empty};
    static const char *const algorithms[] = {"{'alg':'HS256'}", "{'alg':'RS256'}"};
    struct principal who;

    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        struct error e = {0};
        char *token = forge(algorithms[i], GOOD, sizeof GOOD - 1, EVP_sha256(), "");
        assert_int_equal(token_verify(&forge_settings, &empties, token, NOW, &who, &e), ERR_TOKEN);
        assert_string_equal(e.detail, REFUSED);
        free(token);
    }
}

/* --- shape --------------------------------------------------------------- */

static void test_shapes(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        "",
        ".",
        "..",
        "...",
        "a",
        "abcd.abcd",
        "abcd..abcd",
        ".abcd.abcd",
        "abcd.abcd.",
        "abcd.abcd.abcd.",
        "abcd.abcd.abcd.abcd",
        "abcd.abcd.abcd.abcd.abcd",
        "abcde.abcd.abcd",
        "abcd.abcde.abcd",
        "abcd.abcd.abcde",
        "ab==.abcd.abcd",
        "ab+/.abcd.abcd",
        "abcd .abcd.abcd",
        "abcd.abcd.abcd\n",
        " abcd.abcd.abcd",
        "abcd.ab\xc3\xa4.abcd",
    };
    struct principal who;

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check(shapes[i], "not a compact JWS of at most 8192 bytes", &who);
    check("abcd.abcd.abcd", NOT_OBJECT, &who);
}

static void test_length(void **state)
{
    (void)state;
    struct principal who;

    for (size_t size = 5900; size <= 320 << 10; size += size < 6200 ? 1 : 100000) {
        char *payload = xcalloc(1, size + 1);
        int n = snprintf(payload, size, "{'user_id':'u1','exp':1800000060,'x':'");
        memset(payload + n, 'x', size - (size_t)n - 2);
        memcpy(payload + size - 2, "'}", 2);
        char *token = forge("{'alg':'HS256'}", payload, size, EVP_sha256(), secret1);
        bool fits = strlen(token) <= TOKEN_MAX;
        check(token, fits ? NULL : "not a compact JWS of at most 8192 bytes", &who);
        free(token);
        free(payload);
    }
}

/* A valid token with any bit changed is refused. */
static void test_tampering(void **state)
{
    (void)state;
    char *token = forge("{'alg':'HS256'}", GOOD, sizeof GOOD - 1, EVP_sha256(), secret1);
    size_t length = strlen(token);
    struct principal who;

    check(token, NULL, &who);
    for (size_t i = 0; i < length - 1; i++) { /* the last character has two spare bits */
        char kept = token[i];
        token[i] = kept == 'A' ? 'B' : 'A';
        assert_int_equal(token_verify(&forge_settings, &ring, token, NOW, &who, NULL), ERR_TOKEN);
        token[i] = kept;
    }
    for (size_t i = 0; i < length; i++) {
        char *cut = xstrndup(token, i);
        assert_int_equal(token_verify(&forge_settings, &ring, cut, NOW, &who, NULL), ERR_TOKEN);
        free(cut);
    }
    free(token);
}

static int set_up(void **state)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    BIO *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *pkey = NULL;
    char *text;

    (void)state;
    EVP_PKEY_keygen_init(context);
    EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048);
    assert_int_equal(EVP_PKEY_keygen(context, &pkey), 1);
    assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    long length = BIO_get_mem_data(bio, &text);
    rsa_pem = xstrndup(text, (size_t)length);
    keys[2].pkey = pkey;
    EVP_PKEY_CTX_free(context);
    BIO_free(bio);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(rsa_pem);
    EVP_PKEY_free(keys[2].pkey);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),    cmocka_unit_test(test_confusion),
        cmocka_unit_test(test_empty_keys), cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_length),     cmocka_unit_test(test_tampering),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
