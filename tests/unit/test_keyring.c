/* SPDX-License-Identifier: MIT */
/* common/keyring: keys accepted and refused; tokens signed with one ring and verified with
 * another. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "common/keyring.h"
#include "common/token.h"
#include "forge.h"

enum { NOW = 1800000000 };

static const char secret[] = "0123456789abcdef0123456789abcdef";
static char directory[] = "/tmp/test_token.XXXXXX";

/* --- keys ---------------------------------------------------------------- */

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static EVP_PKEY *generate(int type, int size)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(type, NULL);
    EVP_PKEY *pkey = NULL;

    assert_int_equal(EVP_PKEY_keygen_init(context), 1);
    if (type == EVP_PKEY_EC)
        assert_int_equal(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, size), 1);
    else
        assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(context, size), 1);
    assert_int_equal(EVP_PKEY_keygen(context, &pkey), 1);
    EVP_PKEY_CTX_free(context);
    return pkey;
}

/* Writes NAME.key (0600) and NAME.pub (0644). */
static void make_pair(const char *name, int type, int size, const EVP_CIPHER *cipher)
{
    static unsigned char passphrase[] = "passphrase";
    EVP_PKEY *pkey = generate(type, size);
    char path[64];

    snprintf(path, sizeof path, "%s.key", name);
    FILE *file = fopen(path, "w");
    assert_int_equal(PEM_write_PrivateKey(file, pkey, cipher, cipher ? passphrase : NULL,
                                          cipher ? sizeof passphrase - 1 : 0, NULL, NULL),
                     1);
    fclose(file);
    chmod(path, 0600);
    snprintf(path, sizeof path, "%s.pub", name);
    file = fopen(path, "w");
    assert_int_equal(PEM_write_PUBKEY(file, pkey), 1);
    fclose(file);
    chmod(path, 0644);
    EVP_PKEY_free(pkey);
}

/* Loads up to four specifications separated by blanks. */
static enum err load(const char *specs, struct keyring **ring, struct error *e)
{
    char *copy = xstrdup(specs), *items[4], *next = copy;
    struct strlist list = {items, 0};

    for (char *word; (word = strsep(&next, " ")) && *word;)
        list.items[list.count++] = word;
    *e = (struct error){0};
    enum err err = keyring_load(&list, ring, e);
    free(copy);
    return err;
}

static const struct {
    const char *specs, *detail;
} bad_keys[] = {
    {"", "auth.keys names no key: set it to KID:HS256:FILE, and make the file with "
         "openssl rand -hex -out FILE 32 && chmod 600 FILE"},
    {"k1", "auth.keys: 'k1' is not KID:ALGORITHM:FILE"},
    {"k1:HS256", "auth.keys: 'k1:HS256' is not KID:ALGORITHM:FILE"},
    {"k1:HS256:", "auth.keys: 'k1:HS256:' is not KID:ALGORITHM:FILE"},
    {":HS256:hs", "auth.keys: ':HS256:hs' is not KID:ALGORITHM:FILE"},
    {"k\\1:HS256:hs", "auth.keys: 'k\\1:HS256:hs' is not KID:ALGORITHM:FILE"},
    {"k1:hs256:hs", "auth.keys: 'k1:hs256:hs' is not KID:ALGORITHM:FILE"},
    {"k1:none:hs", "auth.keys: 'k1:none:hs' is not KID:ALGORITHM:FILE"},
    {"k1:HS512:hs", "auth.keys: 'k1:HS512:hs' is not KID:ALGORITHM:FILE"},
    {"k1:HS256:hs k1:RS256:rsa.key", "auth.keys: key k1 is given twice"},
    {"k1:HS256:absent", "auth.keys: key k1: cannot open absent: No such file or directory"},
    {"k1:HS256:empty", "auth.keys: key k1: empty is empty"},
    {"k1:HS256:.", "auth.keys: key k1: . is not a regular file"},
    {"k1:HS256:short", "auth.keys: key k1 (short) is shorter than 32 bytes"},
    {"k1:HS256:open", "auth.keys: key k1 (open) is a secret that is open to all users"},
    {"k1:HS256:rsa.key", "auth.keys: key k1 (rsa.key) holds PEM, not a secret"},
    {"k1:RS256:hs", "auth.keys: key k1 (hs) holds no key and no certificate in PEM form"},
    {"k1:RS256:locked.key",
     "auth.keys: key k1 (locked.key) holds no key and no certificate in PEM form"},
    {"k1:RS256:rsa-open.key", "auth.keys: key k1 (rsa-open.key) is a private key that is open"},
    {"k1:RS256:rsa1024.key", "auth.keys: key k1 (rsa1024.key) holds an RSA key of less than 2048"},
    {"k1:RS256:rsa1024.pub", "auth.keys: key k1 (rsa1024.pub) holds an RSA key of less than 2048"},
    {"k1:RS256:ec.pub", "auth.keys: key k1 (ec.pub) holds no RSA key"},
    {"k1:ES256:rsa.pub", "auth.keys: key k1 (rsa.pub) holds no EC key on P-256"},
    {"k1:ES256:p384.key", "auth.keys: key k1 (p384.key) holds no EC key on P-256"},
    {"k1:ES256:p384.pub", "auth.keys: key k1 (p384.pub) holds no EC key on P-256"},
};

static void test_bad_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_keys / sizeof *bad_keys; i++) {
        struct keyring *ring;
        struct error e;
        assert_int_equal(load(bad_keys[i].specs, &ring, &e), ERR_CONFIG);
        assert_null(ring);
        e.detail[strnlen(e.detail, strlen(bad_keys[i].detail))] = '\0';
        assert_string_equal(e.detail, bad_keys[i].detail);
    }
}

static void test_good_keys(void **state)
{
    (void)state;
    struct keyring *ring;
    struct error e;

    assert_int_equal(
        load("a:HS256:hs-crlf b:RS256:rsa.pub c:ES256:with:colon d:ES256:ec.key", &ring, &e),
        ERR_OK);
    assert_int_equal(ring->count, 4);
    assert_int_equal(ring->keys[0].length, sizeof secret - 1);
    assert_memory_equal(ring->keys[0].data, secret, sizeof secret - 1);
    assert_true(ring->keys[0].can_sign);
    assert_null(ring->keys[0].pkey);
    assert_false(ring->keys[1].can_sign);
    assert_false(ring->keys[2].can_sign);
    assert_true(ring->keys[3].can_sign);
    assert_int_equal(EVP_PKEY_eq(ring->keys[2].pkey, ring->keys[3].pkey), 1);
    keyring_free(ring);
}

/* --- minted tokens ------------------------------------------------------- */

static const struct principal alice = {
    ROLE_COMPANY_ADMIN, "alice", "acme", "Alice \xc3\x84", 0, 0, 0};

static void check_alice(const struct principal *who)
{
    assert_int_equal(who->role, alice.role);
    assert_string_equal(who->user_id, alice.user_id);
    assert_string_equal(who->tenant_id, alice.tenant_id);
    assert_string_equal(who->username, alice.username);
}

/* Signed with the first ring, verified with the second. */
static const struct {
    const char *sign, *verify;
    enum err err;
} trips[] = {
    {"k:HS256:hs", "k:HS256:hs", ERR_OK},
    {"k:HS256:hs", "k:HS256:hs-crlf", ERR_OK},
    {"k:HS256:hs", "o:HS256:hs2 k:HS256:hs", ERR_OK},
    {"k:HS256:hs", "k:HS256:hs2", ERR_TOKEN},
    {"k:HS256:hs", "o:HS256:hs", ERR_TOKEN},
    {"k:RS256:rsa.key", "k:RS256:rsa.pub", ERR_OK},
    {"k:RS256:rsa.key", "k:RS256:rsa-other.pub", ERR_TOKEN},
    {"k:RS256:rsa.key", "k:ES256:ec.pub", ERR_TOKEN},
    {"k:ES256:ec.key", "k:ES256:ec.pub", ERR_OK},
    {"p:RS256:rsa.pub k:ES256:ec.key", "p:RS256:rsa.pub k:ES256:ec.pub", ERR_OK},
    {"k:ES256:ec.key", "k:ES256:ec-other.pub", ERR_TOKEN},
    {"k:ES256:ec.key", "k:RS256:rsa.pub", ERR_TOKEN},
};

static void test_round_trips(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof trips / sizeof *trips; i++) {
        struct keyring *sign, *verify;
        struct principal who;
        struct error e;
        char *token;
        assert_int_equal(load(trips[i].sign, &sign, &e), ERR_OK);
        assert_int_equal(load(trips[i].verify, &verify, &e), ERR_OK);
        assert_int_equal(token_mint(&forge_settings, sign, &alice, NOW, 60, &token, &e), ERR_OK);
        assert_int_equal(token_verify(&forge_settings, verify, token, NOW, &who, &e), trips[i].err);
        if (!trips[i].err)
            check_alice(&who);
        assert_int_equal(token_verify(&forge_settings, verify, token, NOW + 90, &who, &e),
                         ERR_TOKEN);
        free(token);
        keyring_free(verify);
        keyring_free(sign);
    }
}

static void test_mint_refuses(void **state)
{
    (void)state;
    static const struct principal nobody = {ROLE_USER, "", "acme", "x", 0, 0, 0};
    static const struct principal blank = {ROLE_USER, "a b", "acme", "x", 0, 0, 0};
    struct keyring *ring;
    struct error e;
    char *token;

    assert_int_equal(load("k:HS256:hs", &ring, &e), ERR_OK);
    assert_int_equal(token_mint(&forge_settings, ring, &nobody, NOW, 60, &token, &e), ERR_TOKEN);
    assert_int_equal(token_mint(&forge_settings, ring, &blank, NOW, 60, &token, &e), ERR_TOKEN);
    assert_int_equal(token_mint(&forge_settings, ring, &alice, NOW, 0, &token, &e), ERR_REQUEST);
    assert_int_equal(token_mint(&forge_settings, ring, &alice, NOW, INT64_MAX, &token, &e),
                     ERR_REQUEST);
    keyring_free(ring);
    assert_int_equal(load("k:RS256:rsa.pub", &ring, &e), ERR_OK);
    assert_int_equal(token_mint(&forge_settings, ring, &alice, NOW, 60, &token, &e), ERR_CONFIG);
    assert_null(token);
    keyring_free(ring);
}

/* --- files --------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(directory) || chdir(directory) < 0)
        return -1;
    make_pair("rsa", EVP_PKEY_RSA, 2048, NULL);
    make_pair("rsa-other", EVP_PKEY_RSA, 2048, NULL);
    make_pair("rsa-open", EVP_PKEY_RSA, 2048, NULL);
    make_pair("rsa1024", EVP_PKEY_RSA, 1024, NULL);
    make_pair("locked", EVP_PKEY_RSA, 2048, EVP_aes_128_cbc());
    make_pair("ec", EVP_PKEY_EC, NID_X9_62_prime256v1, NULL);
    make_pair("ec-other", EVP_PKEY_EC, NID_X9_62_prime256v1, NULL);
    make_pair("p384", EVP_PKEY_EC, NID_secp384r1, NULL);
    chmod("rsa-open.key", 0644);
    write_file("hs", "0123456789abcdef0123456789abcdef", 0600);
    write_file("hs-crlf", "0123456789abcdef0123456789abcdef\r\n", 0640);
    write_file("hs2", "fedcba9876543210fedcba9876543210\n", 0600);
    write_file("short", "0123456789abcdef0123456789abcde\n", 0600);
    write_file("open", "0123456789abcdef0123456789abcdef\n", 0644);
    write_file("empty", "", 0600);
    return symlink("ec.pub", "with:colon");
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return chdir("/") == 0 && nftw(directory, remove_entry, 4, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_good_keys),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_mint_refuses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
