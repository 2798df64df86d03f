/* SPDX-License-Identifier: MIT */
/* common/claims: the claims of correctly signed tokens, and the principal that they make. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "common/token.h"
#include "forge.h"

enum { NOW = 1800000000 }; /* as in the rows below: exp is NOW + 60 */

static char secret[] = "0123456789abcdef0123456789abcdef";
static char k1[] = "k1", issuer[] = "https://id.example.com", audience[] = "vsay";

static struct key key = {k1, ALG_HS256, (unsigned char *)secret, sizeof secret - 1, true, NULL};
static const struct keyring ring = {.keys = &key, .count = 1};
static struct settings settings;

/* `detail` is the expected reason; NULL: accepted. */
static void check(const char *token, const char *detail, struct principal *who)
{
    struct error e = {0};
    enum err err = token_verify(&settings, &ring, token, NOW, who, &e);

    if (strcmp(e.detail, detail ? detail : "") != 0)
        print_error("%s\n", token);
    assert_string_equal(e.detail, detail ? detail : "");
    assert_int_equal(err, detail ? ERR_TOKEN : ERR_OK);
}

#define GOOD "{'user_id':'u1','exp':1800000060}"
#define NOT_OBJECT "header or payload is not a JSON object"

/* --- payload ------------------------------------------------------------- */

#define EXP "'exp':1800000060"
#define BAD_EXP "exp is missing or out of range"
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X255 X64 X64 X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define BAD_USER "user_id is not a user's identifier"
#define BAD_NAME "username is not 1 to 255 bytes of plain text"

static const struct {
    const char *payload, *detail;
} payloads[] = {
    {"{'user_id':'u1'}", BAD_EXP},
    {"{'user_id':'u1','exp':'1800000060'}", "exp is not a time"},
    {"{'user_id':'u1','exp':1800000060.0}", NULL},
    {"{'user_id':'u1','exp':1e20}", "exp is not a time"},
    {"{'user_id':'u1','exp':1.8e9}", NULL},
    {"{'user_id':'u1','exp':null}", BAD_EXP},
    {"{'user_id':'u1','exp':true}", "exp is not a time"},
    {"{'user_id':'u1','exp':[1800000060]}", "exp is not a time"},
    {"{'user_id':'u1','exp':0}", BAD_EXP},
    {"{'user_id':'u1','exp':-1}", BAD_EXP},
    {"{'user_id':'u1','exp':253402300799}", NULL},
    {"{'user_id':'u1','exp':253402300800}", BAD_EXP},
    {"{'user_id':'u1','exp':9223372036854775807}", BAD_EXP},
    {"{'user_id':'u1','exp':9223372036854775808}", BAD_EXP},
    {"{'user_id':'u1','exp':100000000000000000000}", BAD_EXP},
    {"{'user_id':'u1','exp':-100000000000000000000}", BAD_EXP},
    {"{'user_id':'u1','exp':1}", "expired"},
    {"{'user_id':'u1','exp':1799999969}", "expired"},
    {"{'user_id':'u1','exp':1799999970}", "expired"},
    {"{'user_id':'u1','exp':1799999971}", NULL},
    {"{'user_id':'u1','exp':1799999970.0}", "expired"},
    {"{'user_id':'u1','exp':1799999970.001}", NULL},
    {"{'user_id':'u1','exp':-0.5}", BAD_EXP},
    {"{'user_id':'u1','exp':253402300799.5}", "exp is not a time"},
    {"{'user_id':'u1','exp':1e999}", "exp is not a time"},
    {"{'user_id':'u1'," EXP ",'nbf':1800000030}", NULL},
    {"{'user_id':'u1'," EXP ",'nbf':1800000031}", "not valid yet"},
    {"{'user_id':'u1'," EXP ",'nbf':1800000029.5,'iat':null}", NULL},
    {"{'user_id':'u1'," EXP ",'nbf':1800000030.5}", "not valid yet"},
    {"{'user_id':'u1'," EXP ",'nbf':1e20}", "nbf is not a time"},
    {"{'user_id':'u1'," EXP ",'nbf':'0'}", "nbf is not a time"},
    {"{'user_id':'u1'," EXP ",'nbf':-5,'iat':1900000000}", NULL},
    {"{'user_id':'u1'," EXP ",'iat':1.5}", NULL},

    {"{" EXP "}", "no claim of auth.claim_user, such as sub"},
    {"{'user_id':''," EXP "}", BAD_USER},
    {"{'user_id':'','sub':'u1'," EXP "}", BAD_USER},
    {"{'user_id':1,'sub':'u1'," EXP "}", "user_id is not a string"},
    {"{'user_id':null," EXP "}", "no claim of auth.claim_user, such as sub"},
    {"{'user_id':'a b'," EXP "}", BAD_USER},
    {"{'user_id':'a`b'," EXP "}", BAD_USER},
    {"{'user_id':'a\\\\b'," EXP "}", BAD_USER},
    {"{'user_id':'a\\u007f'," EXP "}", BAD_USER},
    {"{'user_id':'\xc3\xa4'," EXP "}", BAD_USER},
    {"{'user_id':'u1\\u0000'," EXP "}", "user_id holds a NUL byte"},
    {"{'user_id':'" X64 X64 "'," EXP "}", NULL},
    {"{'user_id':'x" X64 X64 "'," EXP "}", BAD_USER},
    {"{'sub':'x" X64 X64 "'," EXP "}", "sub is not a user's identifier"},
    {"{'sub':7," EXP "}", "sub is not a string"},
    {"{'user_id':'u1','tenant_id':''," EXP "}", "tenant_id is not an identifier"},
    {"{'user_id':'u1','tenant_id':1," EXP "}", "tenant_id is not a string"},
    {"{'user_id':'u1','tenant_id':'a\\u0000b'," EXP "}", "tenant_id holds a NUL byte"},
    {"{'user_id':'u1','role':'agent'," EXP "}", "no agent_id"},
    {"{'agent_id':'a b','role':'agent'," EXP "}", "agent_id is not an identifier"},
    {"{'agent_id':'a1','role':'agent','generation':'1'," EXP "}", "generation is not an integer"},
    {"{'user_id':'u1','role':''," EXP "}", "unknown role"},
    {"{'user_id':'u1','role':'User'," EXP "}", "unknown role"},
    {"{'user_id':'u1','role':'super_admin\\u0000'," EXP "}", "role holds a NUL byte"},
    {"{'user_id':'u1','role':['super_admin',1]," EXP "}", "role is not a string"},
    {"{'user_id':'u1','role':{'super_admin':1}," EXP "}", "role is not a string"},
    {"{'user_id':'u1','role':null," EXP "}", NULL},
    {"{'user_id':'u1','role':'company_admin'," EXP "}", "company_admin without tenant_id"},
    {"{'user_id':'u1','role':'company_admin','tenant_id':null," EXP "}",
     "company_admin without tenant_id"},

    {"{'user_id':'u1','username':'" X255 "'," EXP "}", NULL},
    {"{'user_id':'u1','username':'x" X255 "'," EXP "}", BAD_NAME},
    {"{'user_id':'u1','username':''," EXP "}", BAD_NAME},
    {"{'user_id':'u1','username':5," EXP "}", "username is not a string"},
    {"{'user_id':'u1','username':'a\\nb'," EXP "}", BAD_NAME},
    {"{'user_id':'u1','username':'a\\u007f'," EXP "}", BAD_NAME},
    {"{'user_id':'u1','username':'a\\u0085'," EXP "}", BAD_NAME},
    {"{'user_id':'u1','username':'a\\u0000'," EXP "}", "username holds a NUL byte"},
    {"{'user_id':'u1','username':'\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \\u00e4'," EXP "}", NULL},

    {"[]", NOT_OBJECT},
    {"['user_id','u1']", NOT_OBJECT},
    {"'u1'", NOT_OBJECT},
    {GOOD "x", NOT_OBJECT},
    {GOOD " " GOOD, NOT_OBJECT},
    {GOOD "\n", NULL},
    {"{'user_id':'u1','exp':1800000060", NOT_OBJECT},
    {"{'user_id':'u1',/**/'exp':1800000060}", NOT_OBJECT},
};

static char *sign_payload(const char *payload, size_t length)
{
    return forge("{'alg':'HS256','kid':'k1'}", payload, length, EVP_sha256(), secret);
}

static void test_payloads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        struct principal who;
        char *token = sign_payload(payloads[i].payload, strlen(payloads[i].payload));
        check(token, payloads[i].detail, &who);
        free(token);
    }
}

/* Not UTF-8, or a NUL byte in the middle. */
static void test_raw_bytes(void **state)
{
    (void)state;
    static const char *const names[] = {"\xff",     "\xc0\x80",         "\xed\xa0\x80", "\xe2\x82",
                                        "\xc3\xc3", "\xf4\x90\x80\x80", "\x80"};
    static const char with_nul[] = GOOD "\0{}",
                      in_name[] = "{'user_id':'u1','username':'a\0'," EXP "}";
    struct principal who;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *payload = xasprintf("{'user_id':'u1','username':'%s'," EXP "}", names[i]);
        char *token = sign_payload(payload, strlen(payload));
        check(token, BAD_NAME, &who);
        free(token);
        free(payload);
    }
    char *token = sign_payload(with_nul, sizeof with_nul - 1);
    check(token, NOT_OBJECT, &who);
    free(token);
    token = sign_payload(in_name, sizeof in_name - 1);
    check(token, NOT_OBJECT, &who);
    free(token);
}

static const struct {
    const char *payload;
    struct principal who;
} principals[] = {
    {"{'user_id':'u1'," EXP "}", {ROLE_USER, "u1", "default", "u1", 0, 0, 0}},
    {"{'sub':'s1'," EXP "}", {ROLE_USER, "s1", "default", "s1", 0, 0, 0}},
    {"{'sub':'s1','user_id':'u1','role':'super_admin'," EXP "}",
     {ROLE_SUPER_ADMIN, "u1", "default", "u1", 0, 0, 0}},
    {"{'user_id':'A.b:c_d-9','tenant_id':'t:1','role':'company_admin','username':'Zo\xc3\xab "
     "A'," EXP "}",
     {ROLE_COMPANY_ADMIN, "A.b:c_d-9", "t:1", "Zo\xc3\xab A", 0, 0, 0}},
    {"{'agent_id':'a1','role':'agent','generation':3," EXP "}",
     {ROLE_AGENT, "a1", "", "", 3, 0, 0}},
    {"{'user_id':'auth0|5f7c','role':['x','company_admin','user'],'tenant_id':'t'," EXP "}",
     {ROLE_COMPANY_ADMIN, "auth0|5f7c", "t", "auth0|5f7c", 0, 0, 0}},
    {"{'user_id':'u1','role':[]," EXP "}", {ROLE_USER, "u1", "default", "u1", 0, 0, 0}},
    {"{'user_id':'u1','role':['agent','metrics']," EXP "}",
     {ROLE_USER, "u1", "default", "u1", 0, 0, 0}},
    {"{'user_id':'u1','role':'user','sub':5," EXP "}", {ROLE_USER, "u1", "default", "u1", 0, 0, 0}},
};

static void test_principals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof principals / sizeof *principals; i++) {
        struct principal who;
        char *token = sign_payload(principals[i].payload, strlen(principals[i].payload));
        check(token, NULL, &who);
        assert_true(who.expires_at > NOW && who.valid_until > who.expires_at);
        who.expires_at = who.valid_until = 0;
        assert_memory_equal(&who, &principals[i].who, sizeof who);
        free(token);
    }
}

/* --- issuer and audience ------------------------------------------------- */

static const struct {
    const char *claims, *detail;
} origins[] = {
    {"'iss':'https://id.example.com','aud':'vsay'", NULL},
    {"'iss':'https://id.example.com','aud':['other','vsay']", NULL},
    {"'aud':'vsay'", "other issuer"},
    {"'iss':'https://id.example.com/','aud':'vsay'", "other issuer"},
    {"'iss':'https://id.example.com\\u0000','aud':'vsay'", "other issuer"},
    {"'iss':['https://id.example.com'],'aud':'vsay'", "other issuer"},
    {"'iss':null,'aud':'vsay'", "other issuer"},
    {"'iss':'https://id.example.com'", "other audience"},
    {"'iss':'https://id.example.com','aud':'Vsay'", "other audience"},
    {"'iss':'https://id.example.com','aud':[]", "other audience"},
    {"'iss':'https://id.example.com','aud':['other',['vsay'],7,null]", "other audience"},
    {"'iss':'https://id.example.com','aud':{'vsay':1}", "other audience"},
};

static void test_origins(void **state)
{
    (void)state;
    settings.auth.issuer = issuer;
    settings.auth.audience = audience;
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        struct principal who;
        char *payload = xasprintf("{'user_id':'u1'," EXP ",%s}", origins[i].claims);
        char *token = sign_payload(payload, strlen(payload));
        check(token, origins[i].detail, &who);
        free(token);
        free(payload);
    }
}

static void test_mint_origin(void **state)
{
    (void)state;
    static const struct principal alice = {ROLE_USER, "alice", "acme", "Alice", 0, 0, 0};
    struct principal who;
    char *token;

    settings.auth.issuer = issuer;
    settings.auth.audience = audience;
    assert_int_equal(token_mint(&settings, &ring, &alice, NOW, 60, &token, NULL), ERR_OK);
    check(token, NULL, &who);
    free(token);
}

static int reset(void **state)
{
    (void)state;
    settings = forge_settings;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_payloads, reset),
        cmocka_unit_test_setup(test_raw_bytes, reset),
        cmocka_unit_test_setup(test_principals, reset),
        cmocka_unit_test_setup(test_origins, reset),
        cmocka_unit_test_setup(test_mint_origin, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
