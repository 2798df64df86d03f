/* SPDX-License-Identifier: MIT */
/* common/token: any header and claims, with a valid signature. The input is the header, a line
 * feed, and the claims; a quote ' stands for ". */
#include "config.h"

#include <openssl/evp.h>
#include <string.h>

#include "../unit/forge.h"
#include "base/utf8.h"
#include "base/xalloc.h"
#include "common/token.h"
#include "fuzz.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static const int64_t now = 1800000000;
static struct keyring *ring;

static void load_ring(void)
{
    struct error e = {0};
    char *path = fuzz_path("secret"), *spec = xasprintf("k1:HS256:%s", path);

    fuzz_write(path, SECRET, strlen(SECRET));
    MUST(keyring_load(&(struct strlist){&spec, 1}, &ring, &e) == ERR_OK);
    free(spec);
    free(path);
}

static bool ident(const char *text)
{
    return ident_valid(text, strlen(text));
}

static bool user_id(const char *text)
{
    return ident_valid_user(text, strlen(text));
}

static void check(const struct principal *who)
{
    MUST(who->role < ROLE_COUNT);
    MUST(who->role == ROLE_AGENT ? ident(who->user_id) : user_id(who->user_id));
    MUST(who->valid_until > now);
    if (who->role == ROLE_AGENT)
        return;
    MUST(ident(who->tenant_id));
    MUST(*who->username && utf8_plain(who->username, strlen(who->username)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text claims = {(const char *)data, size}, header = fuzz_cut(&claims, "\n");
    struct principal who;
    struct error e = {0};

    if (!ring)
        load_ring();
    char *text = xstrndup(header.bytes ? header.bytes : "", header.length);
    char *token =
        forge(text, claims.bytes ? claims.bytes : "", claims.length, EVP_sha256(), SECRET);
    if (token_verify(&forge_settings, ring, token, now, &who, &e) == ERR_OK)
        check(&who);
    free(token);
    free(text);
    return 0;
}
