/* SPDX-License-Identifier: MIT */
/* A value that would fail, mislead or have no effect at run time is refused here, when it is
 * loaded. A worker that starts and then answers 500 costs more than one that does not start, and
 * `--check-config` is worth something only if a start checks the same. */
#include "config.h"
#include "common/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/certificates.h"
#include "base/file.h"
#include "base/log.h"
#include "common/address.h"
#include "common/jwks.h"
#include "common/keyring.h"
#include "common/principal.h"

enum { PASSWORD_MAX = 4096, DB_NAME_MAX = 64 };

#define AT(member) offsetof(struct settings, member)

static const char *const tls_modes[] = {"off", "verify", NULL};
static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const log_targets[] = {"stderr", "syslog", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
/* By enum role. Machines and Prometheus are no default: their tokens always name the role. */
static const char *const roles_of_people[] = {
    [ROLE_USER] = "user",
    [ROLE_COMPANY_ADMIN] = "company_admin",
    [ROLE_SUPER_ADMIN] = "super_admin",
    NULL,
};

/* --- checks of values ------------------------------------------------------------------------ */

static enum err check_prefix(const void *settings, unsigned use, struct error *e)
{
    const char *why = address_check_path(((const struct settings *)settings)->api.prefix);

    (void)use;
    return why ? error_set(e, ERR_CONFIG, "api.prefix: %s", why) : ERR_OK;
}

/* Browsers' origins are compared byte by byte, so one in another form would never match. */
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

/* Parses each address as a connection will, so a wrong port shows now and not when the server is
 * needed. */
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

/* MySQL's limit for names. */
static enum err check_name(const void *settings, unsigned use, struct error *e)
{
    size_t length = strlen(((const struct settings *)settings)->db.name);

    (void)use;
    if (length == 0 || length > DB_NAME_MAX)
        return error_set(e, ERR_CONFIG, "db.name: a name has 1 to %d bytes", DB_NAME_MAX);
    return ERR_OK;
}

/* Reads the file as each connection will. Only for programs that connect: others may run as a user
 * that must not read it. */
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

/* Authorities without db.tls would look as if the server's certificate were checked. */
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

    /* each is KID:ALGORITHM:FILE, or loading would have failed */
    for (size_t i = 0; !err && ring && i < keys->count; i++)
        err = conf_check_absolute("auth.keys", strchr(strchr(keys->items[i], ':') + 1, ':') + 1, e);
    keyring_free(ring);
    return err;
}

/* The issuer is required: many providers sign for all their customers with the same keys. */
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

/* One check for four options: its message names the one without a claim. */
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
        const char *why = role_check_mapping(roles->items[i]);
        if (why)
            return error_set(e, ERR_CONFIG, "auth.roles: '%.80s' %s", roles->items[i], why);
    }
    return ERR_OK;
}

static enum err check_metrics_file(const void *settings, unsigned use, struct error *e)
{
    const char *path = ((const struct settings *)settings)->metrics.file;

    (void)use;
    return *path ? conf_check_absolute("metrics.file", path, e) : ERR_OK;
}

/* Otherwise every machine would be offline between two of its heartbeats. */
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

/* In the order of the sample and the manual. An option that goes leaves a row behind: with the file
 * of an older version a worker then starts and logs what has no effect (CONF_OBSOLETE), or says
 * what to rename (CONF_RENAMED). */

const struct conf_option settings_options[] = {
    {"api", "prefix", CONF_TEXT, AT(api.prefix), .fallback = "", .check = check_prefix,
     .help = "The path before /api and /health if the service is not at the root of its host, such "
             "as /vsay. It begins with a slash and does not end with one. Requests for other paths "
             "get 404."},
    {"api", "io_threads", CONF_INT, AT(api.io_threads), 0, 64, .fallback = "0",
     .help = "Threads that accept connections, read and check requests, and write responses. 0 "
             "means one for each processor core, at most four. They never wait for a client or the "
             "database, so more threads than cores gain nothing. With as many workers as cores, "
             "one is enough."},
    {"api", "db_workers", CONF_INT, AT(api.db_workers), 1, 64, .fallback = "3",
     .help = "Threads that ask the database, each with a connection of its own. The database must "
             "allow this many connections for each worker, and three more. If there are several "
             "threads, one of them only reads, so that reads continue while a backup locks the "
             "tables."},
    {"api", "max_parked", CONF_INT, AT(api.max_parked), 1, 1000000, .fallback = "20000",
     .help = "Requests that may wait for the database at one time. Further ones get 503 at once. "
             "As many polls may wait for a signal, up to two thirds of the process's descriptors, "
             "and as many `DELETE` requests for a session's end, up to a sixth. Further ones are "
             "answered at once, without waiting. A machine takes one slot, and a user can hold at "
             "most half of the slots not used by others. Each waiting request takes about 10 "
             "kilobytes and a descriptor. The worker raises its soft limit of descriptors to the "
             "hard one, see getrlimit(2)."},
    {"api", "deadline", CONF_SECONDS, AT(api.deadline), 1, 300, .fallback = "5s",
     .help = "How long a request may wait for its query to start before it gets 503."},
    {"api", "io_timeout", CONF_SECONDS, AT(api.io_timeout), 1, 300, .fallback = "5s",
     .help = "How long the web server may be silent in the middle of a request, or read nothing of "
             "a response, before its connection is closed."},
    {"api", "body_timeout", CONF_SECONDS, AT(api.body_timeout), 1, 300, .fallback = "20s",
     .help = "How long a whole request body may take to arrive before it is refused with 400."},
    {"api", "shutdown_after", CONF_SECONDS, AT(api.shutdown_after), 1, 300, .fallback = "10s",
     .help = "How long a stopping worker may take to answer accepted requests. Then it exits with "
             "status 1, and the others are lost."},
    {"api", "cors_origins", CONF_LIST, AT(api.cors_origins), .fallback = "", .check = check_origins,
     .help = "Origins whose pages may call the API from a browser, such as "
             "`https://console.example.com`; empty for none. They are compared with the header "
             "`Origin` byte by byte, so write them as browsers send them: in lower case, without a "
             "path, a final slash or the scheme's default port. `*` is refused."},
    {"api", "answerers", CONF_RENAMED, .fallback = "", .renamed = "api.db_workers"},
    {"api", "acceptors", CONF_OBSOLETE, AT(obsolete), .fallback = ""},
    {"api", "readers", CONF_OBSOLETE, AT(obsolete), .fallback = ""},

    {"db", "host", CONF_LIST, AT(db.host), .fallback = "localhost", .check = check_hosts,
     .help = "Database servers: HOST, HOST:PORT, [IPV6]:PORT or the path of a UNIX socket. Without "
             "a port it is the client library's default, usually 3306; `localhost` is the "
             "library's default UNIX socket. An IPv6 address is always in brackets, and a path "
             "begins with a slash.\n\n"
             "vsay connects to the server that worked last; if that fails, it tries the others in "
             "turn. It does not use a read-only server: that is a replica, whose rows may be old."},
    {"db", "user", CONF_TEXT, AT(db.user), .fallback = "vsay", .check = check_user,
     .help = "Database user."},
    {"db", "password_file", CONF_TEXT, AT(db.password_file), .fallback = "",
     .check = check_password,
     .help = "File with the password on its first line, at most 4096 bytes; empty for no password. "
             "Others must have no access to it: mode 600, or 640 and the right group. A file that "
             "is missing, or has an empty first line, is an error. It is read for each connection, "
             "so a changed password needs no restart."},
    {"db", "name", CONF_TEXT, AT(db.name), .fallback = "vsay", .check = check_name,
     .help = "Name of the database."},
    {"db", "connect_timeout", CONF_SECONDS, AT(db.connect_timeout), 1, 60, .fallback = "2s",
     .help = "How long to wait for a connection to one server."},
    {"db", "read_timeout", CONF_SECONDS, AT(db.read_timeout), 1, 600, .fallback = "10s",
     .help = "How long to wait for the server to accept a statement, or to answer it, before the "
             "connection counts as lost. With several servers in db.host the request is then tried "
             "once more on the next, so 3 seconds are enough. The command `migrate` of vsayctl(1) "
             "waits a day instead."},
    {"db", "tls", CONF_CHOICE, AT(db.tls), .choices = tls_modes, .fallback = "off",
     .help = "With `verify`, vsay connects only by TLS, to a server whose certificate is valid and "
             "names its host. With `off`, it checks no certificate; the client library and the "
             "server may still use TLS."},
    {"db", "tls_ca", CONF_TEXT, AT(db.tls_ca), .fallback = "", .check = check_tls_ca,
     .help = "File with the certificate authorities to trust for db.tls, in PEM form; empty for "
             "the system's. Setting it while db.tls is off is an error. Oracle's client library, "
             "unlike MariaDB's, does not know the system's authorities and needs the file."},

    {"auth", "keys", CONF_LIST, AT(auth.keys), .fallback = "", .check = check_keys,
     .help = "Required. The keys that tokens are checked with, each as KID:ALGORITHM:FILE. KID is "
             "the key's name in the header of a token: 1 to 128 printable ASCII characters without "
             "blanks, commas, colons, quotes and backslashes, unique in the list. ALGORITHM is "
             "HS256, RS256 or ES256. The path of FILE has no blanks or commas. The `token` command "
             "of vsayctl(1) signs with the first key that can sign."},
    {"auth", "jwks", CONF_TEXT, AT(auth.jwks), .fallback = "", .check = check_jwks,
     .help = "File with the public keys of an identity provider, a JSON Web Key Set (RFC 7517); "
             "empty for none. It needs auth.issuer. A worker checks the file once a second and "
             "reads it again when it has changed, so a timer can fetch it. Replace it atomically, "
             "by a rename. If it cannot be used, that is logged and the old keys stay."},
    {"auth", "claim_user", CONF_LIST, AT(auth.claim_user), .fallback = "user_id, sub",
     .check = check_claims,
     .help = "The claims that hold a person's identifier. Of each list of claims, the first one "
             "that the token has counts; JSON null does not count. A name is that of a claim, "
             "whatever characters it has, such as `https://example.com/role`, or a path to a "
             "member, with dots, such as `realm_access.roles`."},
    {"auth", "claim_username", CONF_LIST, AT(auth.claim_username), .fallback = "username",
     .check = check_claims,
     .help = "The claims that hold a person's name, such as `preferred_username`."},
    {"auth", "claim_tenant", CONF_LIST, AT(auth.claim_tenant), .fallback = "tenant_id",
     .check = check_claims, .help = "The claims that hold a person's tenant."},
    {"auth", "claim_role", CONF_LIST, AT(auth.claim_role), .fallback = "role",
     .check = check_claims,
     .help = "The claims that hold a person's role, as a string or an array of strings."},
    {"auth", "roles", CONF_LIST, AT(auth.roles), .fallback = "", .check = check_roles,
     .help = "The roles that the values of these claims mean, each as VALUE:ROLE. ROLE is `user`, "
             "`company_admin` or `super_admin`; of several the strongest counts. Values that are "
             "not in the list are ignored; if none is in it, auth.default_role applies. If the "
             "list is empty, the values are names of roles."},
    {"auth", "default_role", CONF_CHOICE, AT(auth.default_role), .choices = roles_of_people,
     .fallback = "user", .help = "The role of a token that names none."},
    {"auth", "issuer", CONF_TEXT, AT(auth.issuer), .fallback = "",
     .help = "The value that the claim `iss` of a token must have, byte by byte; empty for any."},
    {"auth", "audience", CONF_TEXT, AT(auth.audience), .fallback = "",
     .help = "The value that the claim `aud` of a token must have, or contain as a member; empty "
             "for any."},
    {"auth", "leeway", CONF_SECONDS, AT(auth.leeway), 0, 300, .fallback = "30s",
     .help = "How much the clocks of the token's issuer and of this host may differ, for `exp` and "
             "`nbf`."},

    {"agents", "offline_after", CONF_SECONDS, AT(agents.offline_after), 5, 86400,
     .fallback = "120s", .check = check_heartbeat,
     .help = "A machine is online while its last heartbeat is not older than this, by the "
             "database's clock. Sessions of an offline machine are not listed as active."},
    {"agents", "heartbeat_interval", CONF_SECONDS, AT(agents.heartbeat_interval), 1, 3600,
     .fallback = "30s", .check = check_heartbeat,
     .help = "How often machines send a heartbeat; must be shorter than agents.offline_after."},
    {"agents", "signal_expires", CONF_SECONDS, AT(agents.signal_expires), 60, 31536000,
     .fallback = "7d",
     .help = "How long a machine that has to end a session may stay away before the session is "
             "closed as `expired`."},
    {"agents", "usage_history", CONF_SECONDS, AT(agents.usage_history), 0, 2592000,
     .fallback = "30d",
     .help = "How long the usage of machines and fleets is kept, by the hour. For the last day it "
             "is kept by five minutes. 0 stores nothing; what is there stays. With 30 days each "
             "machine takes about 100 KB in the database, and so does each user who may see "
             "machines."},

    {"metrics", "file", CONF_TEXT, AT(metrics.file), .fallback = "", .check = check_metrics_file,
     .help = "A file in which the workers of a service count together, such as /run/vsay/metrics, "
             "so that /metrics shows all of them, whichever answers. The first worker makes it, in "
             "an existing directory where they may write, best in memory. It takes some hundred "
             "kilobytes, and at most 64 workers can share it. Counts stay when a worker ends, "
             "until the next boot or a version of vsay that counts something else. Services with "
             "different configurations must not share a file.\n\n"
             "If this is empty, the file is `metrics` in the directory that systemd(1) makes for "
             "the service (`RUNTIME_DIRECTORY`). If there is none, or it cannot be used (which is "
             "logged), each worker shows its own figures only, and the metric "
             "`vsay_metrics_shared` is 0."},

    {"log", "target", CONF_CHOICE, AT(log.target), .choices = log_targets, .fallback = "stderr",
     .help = "Where the log goes. `syslog` uses the facility daemon."},
    {"log", "level", CONF_CHOICE, AT(log.level), .choices = log_levels, .fallback = "info",
     .help = "The least important events to log. `info` includes requests that were answered with "
             "an error, `debug` every request."},
    {"log", "requests", CONF_CHOICE, AT(log.requests), .choices = no_yes, .fallback = "no",
     .help = "With `yes`, each request is logged as `event=access` at level `info`, with its user, "
             "tenant, route, status and duration in milliseconds."},
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
    /* An editor's byte order mark and a NUL byte are invisible, and the server would only say that
     * access is denied. */
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
    if (!err && program) { /* the log's own options are known now */
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
