/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/certificates.h"
#include "base/file.h"
#include "base/log.h"
#include "common/address.h"
#include "common/claims.h"
#include "common/jwks.h"
#include "common/keyring.h"
#include "common/principal.h"

enum { PASSWORD_MAX = 4096, DB_NAME_MAX = 64 };

#define AT(member) offsetof(struct settings, member)

static const char *const tls_modes[] = {"off", "verify", NULL};
static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const log_targets[] = {"stderr", "syslog", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};

/* --- checks of values ------------------------------------------------------------------------ */

static enum err check_prefix(const void *settings, unsigned use, struct error *e)
{
    const char *why = address_check_path(((const struct settings *)settings)->api.prefix);

    (void)use;
    return why ? error_set(e, ERR_CONFIG, "api.prefix: %s", why) : ERR_OK;
}

static enum err check_origins(const void *settings, unsigned use, struct error *e)
{
    const struct strlist *origins = &((const struct settings *)settings)->api.cors_origins;

    (void)use;
    for (size_t i = 0; i < origins->count; i++) {
        const char *why = address_check_origin(origins->items[i]);
        if (why)
            return error_set(e, ERR_CONFIG, "api.cors_origins: %s: %s", origins->items[i], why);
    }
    return ERR_OK;
}

static enum err check_hosts(const void *settings, unsigned use, struct error *e)
{
    const struct strlist *hosts = &((const struct settings *)settings)->db.host;
    enum err err = ERR_OK;

    (void)use;
    if (hosts->count == 0)
        return error_set(e, ERR_CONFIG, "db.host: no server is named");
    for (size_t i = 0; !err && i < hosts->count; i++) {
        struct db_address address;
        err = address_parse_db(hosts->items[i], &address, e);
        address_free_db(&address);
    }
    return err;
}

/* Without a name the client library would use that of the process's user. */
static enum err check_user(const void *settings, unsigned use, struct error *e)
{
    (void)use;
    return *((const struct settings *)settings)->db.user
               ? ERR_OK
               : error_set(e, ERR_CONFIG, "db.user: no user is named");
}

static enum err check_name(const void *settings, unsigned use, struct error *e)
{
    size_t length = strlen(((const struct settings *)settings)->db.name);

    (void)use;
    if (length == 0 || length > DB_NAME_MAX)
        return error_set(e, ERR_CONFIG, "db.name: a name has 1 to %d bytes", DB_NAME_MAX);
    return ERR_OK;
}

static enum err check_password(const void *settings, unsigned use, struct error *e)
{
    const char *path = ((const struct settings *)settings)->db.password_file;
    char *password = NULL;

    if (!*path || !(use & SETTINGS_DB))
        return ERR_OK;
    enum err err = conf_check_absolute("db.password_file", path, e);
    if (!err)
        err = settings_read_password(path, &password, e);
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return err;
}

static enum err check_tls_ca(const void *settings, unsigned use, struct error *e)
{
    const struct settings *all = settings;
    struct error why = {0};

    if (!*all->db.tls_ca || !(use & SETTINGS_DB))
        return ERR_OK;
    if (all->db.tls == TLS_OFF)
        return error_set(e, ERR_CONFIG, "db.tls_ca: nothing is verified unless db.tls is verify");
    enum err err = conf_check_absolute("db.tls_ca", all->db.tls_ca, e);
    if (!err && certificates_check(all->db.tls_ca, &why))
        err = error_set(e, ERR_CONFIG, "db.tls_ca: %s", why.detail);
    return err;
}

static enum err check_keys(const void *settings, unsigned use, struct error *e)
{
    const struct strlist *keys = &((const struct settings *)settings)->auth.keys;
    struct keyring *ring = NULL;
    enum err err = use & SETTINGS_KEYS ? keyring_load(keys, &ring, e) : ERR_OK;

    for (size_t i = 0; !err && ring && i < keys->count; i++) /* each is KID:ALGORITHM:FILE */
        err = conf_check_absolute("auth.keys", strchr(strchr(keys->items[i], ':') + 1, ':') + 1, e);
    keyring_free(ring);
    return err;
}

/* The issuer is required because many providers sign for all their customers with the same keys. */
static enum err check_jwks(const void *settings, unsigned use, struct error *e)
{
    const struct settings *all = settings;
    struct keyring *ring = NULL;

    if (!*all->auth.jwks)
        return ERR_OK;
    if (!*all->auth.issuer)
        return error_set(e, ERR_CONFIG, "auth.jwks: needs auth.issuer, the provider's iss");
    enum err err = conf_check_absolute("auth.jwks", all->auth.jwks, e);
    if (!err && use & SETTINGS_KEYS)
        err = jwks_load(all->auth.jwks, &ring, e);
    keyring_free(ring);
    return err;
}

static enum err check_claims(const void *settings, unsigned use, struct error *e)
{
    const struct settings *all = settings;
    const struct {
        const char *name;
        const struct strlist *claims;
    } lists[] = {
        {"auth.claim_user", &all->auth.claim_user},
        {"auth.claim_username", &all->auth.claim_username},
        {"auth.claim_tenant", &all->auth.claim_tenant},
        {"auth.claim_role", &all->auth.claim_role},
    };

    (void)use;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (lists[i].claims->count == 0)
            return error_set(e, ERR_CONFIG, "%s: no claim is named", lists[i].name);
    }
    return ERR_OK;
}

static enum err check_roles(const void *settings, unsigned use, struct error *e)
{
    const struct strlist *roles = &((const struct settings *)settings)->auth.roles;

    (void)use;
    for (size_t i = 0; i < roles->count; i++) {
        const char *why = claims_check_role(roles->items[i]);
        if (why)
            return error_set(e, ERR_CONFIG, "auth.roles: '%.80s' %s", roles->items[i], why);
    }
    return ERR_OK;
}

static enum err check_role(const void *settings, unsigned use, struct error *e)
{
    int role = ((const struct settings *)settings)->auth.default_role;

    (void)use;
    if (role == ROLE_AGENT || role == ROLE_METRICS)
        return error_set(e, ERR_CONFIG, "auth.default_role: a token of %s names its role",
                         role == ROLE_AGENT ? "an agent" : "Prometheus");
    return ERR_OK;
}

static enum err check_metrics_file(const void *settings, unsigned use, struct error *e)
{
    const char *path = ((const struct settings *)settings)->metrics.file;

    (void)use;
    return *path ? conf_check_absolute("metrics.file", path, e) : ERR_OK;
}

static enum err check_heartbeat(const void *settings, unsigned use, struct error *e)
{
    const struct settings *all = settings;

    (void)use;
    if (all->agents.heartbeat_interval < all->agents.offline_after)
        return ERR_OK;
    return error_set(e, ERR_CONFIG,
                     "agents.heartbeat_interval (%ld s) must be shorter than agents.offline_after "
                     "(%ld s)",
                     all->agents.heartbeat_interval, all->agents.offline_after);
}

/* --- the table ------------------------------------------------------------------------------- */

const struct conf_option settings_options[] = {
    {"api", "prefix", CONF_TEXT, AT(api.prefix), .fallback = "", .check = check_prefix,
     .help = "Path before /api when the service does not sit at the root of its host, such as "
             "/vsay."},
    {"api", "io_threads", CONF_INT, AT(api.io_threads), 0, 64, .fallback = "0",
     .help = "Threads that read requests and write answers; 0: one a core, at most four."},
    {"api", "db_workers", CONF_INT, AT(api.db_workers), 1, 64, .fallback = "3",
     .help = "Threads that ask the database, each with a connection of its own; of several, one "
             "only reads."},
    {"api", "max_parked", CONF_INT, AT(api.max_parked), 1, 1000000, .fallback = "20000",
     .help = "Requests that may wait at one time in one worker; further ones get 503."},
    {"api", "deadline", CONF_SECONDS, AT(api.deadline), 1, 300, .fallback = "5s",
     .help = "How long a request may wait for its query to start before it gets 503."},
    {"api", "io_timeout", CONF_SECONDS, AT(api.io_timeout), 1, 300, .fallback = "5s",
     .help = "How long the web server may stay silent in the middle of a request or a reply."},
    {"api", "body_timeout", CONF_SECONDS, AT(api.body_timeout), 1, 300, .fallback = "20s",
     .help = "How long a whole request body may take to arrive."},
    {"api", "shutdown_after", CONF_SECONDS, AT(api.shutdown_after), 1, 300, .fallback = "10s",
     .help = "How long a stopping worker may take to answer what it has accepted."},
    {"api", "cors_origins", CONF_LIST, AT(api.cors_origins), .fallback = "", .check = check_origins,
     .help = "Origins whose pages may call the API from a browser, such as "
             "https://console.example.com."},
    {"api", "answerers", CONF_RENAMED, .fallback = "", .renamed = "api.db_workers",
     .help = "Refused: it is called api.db_workers now."},
    {"api", "acceptors", CONF_OBSOLETE, AT(obsolete), .fallback = "",
     .help = "Has no effect any more: see api.io_threads."},
    {"api", "readers", CONF_OBSOLETE, AT(obsolete), .fallback = "",
     .help = "Has no effect any more: see api.io_threads."},

    {"db", "host", CONF_LIST, AT(db.host), .fallback = "localhost", .check = check_hosts,
     .help = "Database servers, tried in turn: HOST, HOST:PORT, [IPV6]:PORT or the path of a UNIX "
             "socket."},
    {"db", "user", CONF_TEXT, AT(db.user), .fallback = "vsay", .check = check_user,
     .help = "Database user."},
    {"db", "password_file", CONF_TEXT, AT(db.password_file), .fallback = "",
     .check = check_password,
     .help = "File with the database password on its first line, not readable by others; empty for "
             "none."},
    {"db", "name", CONF_TEXT, AT(db.name), .fallback = "vsay", .check = check_name,
     .help = "Name of the database."},
    {"db", "connect_timeout", CONF_SECONDS, AT(db.connect_timeout), 1, 60, .fallback = "2s",
     .help = "How long to wait for a connection to one server."},
    {"db", "read_timeout", CONF_SECONDS, AT(db.read_timeout), 1, 600, .fallback = "10s",
     .help = "How long one statement may take."},
    {"db", "tls", CONF_CHOICE, AT(db.tls), .choices = tls_modes, .fallback = "off",
     .help = "off, or verify: only connect over TLS to a server whose certificate is valid for its "
             "host name."},
    {"db", "tls_ca", CONF_TEXT, AT(db.tls_ca), .fallback = "", .check = check_tls_ca,
     .help = "File with the certificate authorities to trust for db.tls; empty for the system's."},

    {"auth", "keys", CONF_LIST, AT(auth.keys), .fallback = "", .check = check_keys,
     .help = "Keys that tokens are checked with: KID:ALGORITHM:FILE, ALGORITHM being HS256, RS256 "
             "or ES256. The first that can sign is the one vsayctl token uses."},
    {"auth", "jwks", CONF_TEXT, AT(auth.jwks), .fallback = "", .check = check_jwks,
     .help = "File with an identity provider's public keys, a JSON Web Key Set; it is read again "
             "whenever it changes. Empty for none."},
    {"auth", "claim_user", CONF_LIST, AT(auth.claim_user), .fallback = "user_id, sub",
     .check = check_claims,
     .help = "Claims with the user's identifier; of each such list, the first that a token has "
             "counts."},
    {"auth", "claim_username", CONF_LIST, AT(auth.claim_username), .fallback = "username",
     .check = check_claims, .help = "Claims with the name to show, such as preferred_username."},
    {"auth", "claim_tenant", CONF_LIST, AT(auth.claim_tenant), .fallback = "tenant_id",
     .check = check_claims, .help = "Claims with the tenant's identifier."},
    {"auth", "claim_role", CONF_LIST, AT(auth.claim_role), .fallback = "role",
     .check = check_claims,
     .help =
         "Claims with the role, or an array of roles; realm_access.roles is the member roles of "
         "realm_access."},
    {"auth", "roles", CONF_LIST, AT(auth.roles), .fallback = "", .check = check_roles,
     .help = "What the values of that claim stand for: VALUE:ROLE, ROLE being user, company_admin "
             "or super_admin; of several the strongest counts. Empty: they are the roles' names."},
    {"auth", "default_role", CONF_CHOICE, AT(auth.default_role), .choices = role_names,
     .fallback = "user", .check = check_role, .help = "Role of a token that names none."},
    {"auth", "issuer", CONF_TEXT, AT(auth.issuer), .fallback = "",
     .help = "Required iss of a token; empty for any."},
    {"auth", "audience", CONF_TEXT, AT(auth.audience), .fallback = "",
     .help = "Required member of a token's aud; empty for any."},
    {"auth", "leeway", CONF_SECONDS, AT(auth.leeway), 0, 300, .fallback = "30s",
     .help = "How far the clocks of the token's issuer and of this host may differ."},

    {"agents", "offline_after", CONF_SECONDS, AT(agents.offline_after), 5, 86400,
     .fallback = "120s", .check = check_heartbeat,
     .help = "Age of its last heartbeat up to which a machine counts as online."},
    {"agents", "heartbeat_interval", CONF_SECONDS, AT(agents.heartbeat_interval), 1, 3600,
     .fallback = "30s", .check = check_heartbeat,
     .help = "How often machines are told to send a heartbeat."},
    {"agents", "signal_expires", CONF_SECONDS, AT(agents.signal_expires), 60, 31536000,
     .fallback = "7d",
     .help = "How long a machine that was told to end a session may be away before the session "
             "counts as expired."},
    {"agents", "usage_history", CONF_SECONDS, AT(agents.usage_history), 0, 2592000,
     .fallback = "30d",
     .help =
         "How long usage over time is kept, of machines and of fleets, by the hour; for the last "
         "day it is kept by five minutes. 0: not at all."},

    {"metrics", "file", CONF_TEXT, AT(metrics.file), .fallback = "", .check = check_metrics_file,
     .help =
         "File that the workers of a service share, so that /metrics tells of all of them, such "
         "as /run/vsay/metrics; empty for the one that answers."},

    {"log", "target", CONF_CHOICE, AT(log.target), .choices = log_targets, .fallback = "stderr",
     .help = "stderr or syslog."},
    {"log", "level", CONF_CHOICE, AT(log.level), .choices = log_levels, .fallback = "info",
     .help = "Least important events to log: error, warning, info or debug (every request)."},
    {"log", "requests", CONF_CHOICE, AT(log.requests), .choices = no_yes, .fallback = "no",
     .help = "no, or yes: log each request with its user, tenant, route, status and duration, at "
             "level info."},
};

const size_t settings_options_count = sizeof settings_options / sizeof *settings_options;

enum err settings_read_password(const char *path, char **out, struct error *e)
{
    static const char bom[] = "\xef\xbb\xbf";
    struct error why = {0};
    size_t length = 0;
    char *text = NULL;

    *out = NULL;
    if (file_read_secret(path, PASSWORD_MAX, &text, &length, &why))
        return error_set(e, ERR_CONFIG, "db.password_file: %s", why.detail);
    size_t used = strcspn(text, "\r\n");
    const char *wrong = used == 0                              ? "is empty"
                        : !text[used] && used < length         ? "has a NUL byte"
                        : strncmp(text, bom, strlen(bom)) == 0 ? "has a byte order mark"
                                                               : NULL;
    if (wrong) {
        explicit_bzero(text, length);
        free(text);
        return error_set(e, ERR_CONFIG, "db.password_file: the first line of %s %s", path, wrong);
    }
    text[used] = '\0';
    *out = text;
    return ERR_OK;
}

enum err settings_load(const char *program, const char *path, unsigned use, struct settings *out,
                       struct error *e)
{
    memset(out, 0, sizeof *out);
    if (!path)
        path = getenv("VSAY_CONF");
    if (!path || !*path)
        path = SYSCONFDIR "/vsay/vsay.conf";
    enum err err = conf_load(settings_options, settings_options_count, path, true, use, out, e);
    if (!err && program) {
        log_open(program, out->log.target == 1, (enum log_level)out->log.level);
        for (size_t i = 0; i < out->obsolete.count; i++)
            log_event(LEVEL_WARNING, "config", "option=%s detail=\"it has no effect any more\"",
                      out->obsolete.items[i]);
    }
    return err;
}

void settings_free(struct settings *settings)
{
    conf_free(settings_options, settings_options_count, settings);
}
