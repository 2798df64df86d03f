/* SPDX-License-Identifier: MIT */
/* vsayctl token: signs a bearer token for a person, or for Prometheus.
 *
 * It needs the key and not the database: a service whose database is away can still be asked for
 * its health and metrics. Whoever can read the key can make such tokens anyhow, so the audit is
 * told where possible, and the command does not depend on it. */
#include "config.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "common/token.h"
#include "ctl/check.h"
#include "ctl/output.h"
#include "ctl/context.h"

enum { USER_ID, USERNAME, ROLE, TENANT, TTL, LINK };

/* Refuses here what verification would refuse later, and says which option is wrong. */
static enum err parse_principal(const char *const *values, struct principal *who, struct error *e)
{
    const char *tenant = values[TENANT] ? values[TENANT] : "default";
    enum err err = check_user_id("--user-id", values[USER_ID], e);
    if (!err)
        err = check_ident("--tenant", tenant, e);
    if (err)
        return err;
    strcpy(who->user_id, values[USER_ID]);
    strcpy(who->tenant_id, tenant);
    if (!role_from_name(values[ROLE], &who->role) || who->role == ROLE_AGENT)
        return error_set(e, ERR_REQUEST,
                         "--role: '%.80s' is not user, company_admin, super_admin or metrics",
                         values[ROLE]);
    if (who->role == ROLE_METRICS) { /* its token has no tenant and no name */
        *who->tenant_id = '\0';
        return ERR_OK;
    }
    if (who->role == ROLE_COMPANY_ADMIN && !values[TENANT])
        return error_set(e, ERR_REQUEST,
                         "--tenant: a company_admin needs one; 'default' is the "
                         "tenant of machines that were added without one");
    const char *username = values[USERNAME] ? values[USERNAME] : values[USER_ID];
    if (strlen(username) > USERNAME_MAX)
        return error_set(e, ERR_REQUEST, "--username: longer than %d bytes", USERNAME_MAX);
    strcpy(who->username, username);
    return ERR_OK;
}

/* --- the audit ------------------------------------------------------------------------------- */

struct minting {
    const struct principal *who;
    long ttl;
};

static enum err note_body(struct db *db, void *context, struct error *e)
{
    const struct minting *minting = context;
    const char *tenant = minting->who->tenant_id;
    char *detail = xasprintf("%s%s%s for %ld s", role_names[minting->who->role],
                             *tenant ? " in " : "", tenant, minting->ttl);
    const struct audit_entry done = {
        .action = "token", .of_user_id = minting->who->user_id, .detail = detail};
    enum err err = context_audit(db, &done, e);

    free(detail);
    return err;
}

/* A token needs only the key, so a failure of the database does not prevent it. */
static void audit_token(const struct invocation *invocation, const struct principal *who, long ttl)
{
    struct minting minting = {who, ttl};
    struct error e = {0};

    if (context_run(invocation, DB_WRITE, note_body, &minting, &e))
        log_say("vsayctl: this token is not in the audit: %s", e.detail);
}

/* --- the command ----------------------------------------------------------------------------- */

static enum err check_url(const char *url, struct error *e)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t length = strlen(schemes[i]);
        if (strncmp(url, schemes[i], length) == 0 && url[length] && url[length] != '/' &&
            !url[strcspn(url, " \"#<>?\\")])
            return ERR_OK;
    }
    return error_set(
        e, ERR_REQUEST,
        "--link: '%.80s' is not the address of the web page, such as https://vsay.example.com",
        url);
}

/* The page reads the token after the #, which browsers do not send to servers. */
static char *make_link(const char *url, const char *token)
{
    size_t length = strlen(url);

    while (url[length - 1] == '/')
        length--;
    return xasprintf("%.*s/#token=%s", (int)length, url, token);
}

static void print_token(const char *token, const char *url, bool json)
{
    char *link = url ? make_link(url, token) : NULL;

    if (!json) {
        puts(link ? link : token);
    } else {
        struct json_object *object = json_object_new_object();
        output_member(object, "token", token);
        if (link)
            output_member(object, "link", link);
        output_json(object, true);
    }
    free(link);
}

static enum err run(const struct invocation *invocation, struct error *e)
{
    struct settings settings = {0};
    struct keyring *ring = NULL;
    struct principal who = {0};
    char *token = NULL;
    long ttl = 0;
    enum err err = parse_principal(invocation->values, &who, e);

    if (!err)
        err = check_seconds("--ttl", invocation->values[TTL], &ttl, e);
    if (!err && invocation->values[LINK])
        err = check_url(invocation->values[LINK], e);
    if (!err)
        err = settings_load("vsayctl", invocation->config, SETTINGS_KEYS, &settings, e);
    if (!err)
        err = keyring_load(&settings.auth.keys, &ring, e);
    if (!err)
        err = token_mint(&settings, ring, &who, time(NULL), ttl, &token, e);
    if (!err) {
        audit_token(invocation, &who, ttl);
        print_token(token, invocation->values[LINK], invocation->json);
    }
    free(token);
    keyring_free(ring);
    settings_free(&settings);
    return err;
}

const struct subcommand cmd_token = {
    .name = "token",
    .summary = "Print a new bearer token, signed with the first key that can sign.",
    .options =
        {
            [USER_ID] = {"user-id", "ID", .help = "user; must be given"},
            [USERNAME] = {"username", "NAME", .help = "name to show (default: the user id)"},
            [ROLE] = {"role", "ROLE", .help = "user, company_admin, super_admin or metrics",
                      .fallback = "user"},
            [TENANT] = {"tenant", "ID",
                        .help = "tenant of the user; a company_admin needs one (default: default)"},
            [TTL] = {"ttl", "TIME", .help = "how long it is valid, such as 90s, 15m, 1h or 30d",
                     .fallback = "1h"},
            [LINK] = {"link", "URL",
                      .help = "print a link that logs in at the web page, which has that address"},
        },
    .run = run,
};
