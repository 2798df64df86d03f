/* SPDX-License-Identifier: MIT */
/* vsayctl doctor: one check for each thing that can keep a service from working.
 *
 * A check tries what the service would do, rather than compare settings with what they should be. A
 * check that depends on one that failed is skipped, so the first FAIL is the cause. Each has its
 * advice beside it in the table: whoever reads it has a broken service and little time. */
#include "config.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"
#include "base/xalloc.h"
#include "common/jwks.h"
#include "common/keyring.h"
#include "ctl/output.h"
#include "store/machines.h"
#include "store/schema.h"

enum { CLOCK_TOLERANCE = 2, JWKS_AGE_MAX = 7 * 86400 }; /* s */

struct doctor {
    const char *config;
    struct settings settings;
    struct db *db;
    char note[200];              /* details of a check that succeeded */
    struct json_object *results; /* with --json; NULL: print each at once */
};

static enum err check_configuration(struct doctor *doctor, struct error *e)
{
    return settings_load("vsayctl", doctor->config, SETTINGS_DB, &doctor->settings, e);
}

static enum err check_keys(struct doctor *doctor, struct error *e)
{
    struct keyring *ring;
    enum err err = keyring_load(&doctor->settings.auth.keys, &ring, e);

    if (!err)
        snprintf(doctor->note, sizeof doctor->note, "%zu, the first is %s (%s)", ring->count,
                 ring->keys[0].kid, algorithm_names[ring->keys[0].algorithm]);
    keyring_free(ring);
    return err;
}

/* Writes an age, in seconds, in words. */
static void format_age(char *out, size_t size, long age)
{
    static const struct {
        long seconds;
        const char *unit;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}};
    size_t i = age >= 2 * 86400 ? 0 : age >= 2 * 3600 ? 1 : 2;
    long count = age < 0 ? 0 : age / units[i].seconds;

    snprintf(out, size, "%ld %s%s old", count, units[i].unit, count == 1 ? "" : "s");
}

/* The job that fetches the key set rewrites the file each time, so an old file means that it has
 * stopped. */
static enum err check_jwks(struct doctor *doctor, struct error *e)
{
    const char *path = doctor->settings.auth.jwks;
    struct keyring *ring = NULL;
    struct stat st = {0};
    char left_out[32] = "", age[32];

    snprintf(doctor->note, sizeof doctor->note, "none");
    if (!*path)
        return ERR_OK;
    enum err err = jwks_load(path, &ring, e);
    if (err)
        return err;
    if (ring->skipped)
        snprintf(left_out, sizeof left_out, ", %zu left out", ring->skipped);
    stat(path, &st);
    format_age(age, sizeof age, (long)(time(NULL) - st.st_mtime));
    snprintf(doctor->note, sizeof doctor->note, "%zu key%s%s, %s%s", ring->count,
             ring->count == 1 ? "" : "s", left_out, age,
             *doctor->settings.auth.audience ? "" : "; auth.audience is not set");
    keyring_free(ring);
    if (time(NULL) - st.st_mtime > JWKS_AGE_MAX)
        err = error_set(e, ERR_CONFIG, "%s is %s", path, age);
    return err;
}

/* The directory of a path, which has a slash. The caller frees it. */
static char *directory_of(const char *path)
{
    size_t length = (size_t)(strrchr(path, '/') - path);

    return xstrndup(path, length ? length : 1);
}

static enum err check_metrics(struct doctor *doctor, struct error *e)
{
    const char *path = doctor->settings.metrics.file;
    struct stat st;
    enum err err = ERR_OK;

    snprintf(doctor->note, sizeof doctor->note, "%s",
             *path ? path : "in systemd's runtime directory, or each worker for itself");
    if (!*path)
        return ERR_OK;
    char *directory = directory_of(path);
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
        err = error_set(e, ERR_CONFIG, "%s is not a regular file", path);
    else if (access(path, R_OK | W_OK) && errno != ENOENT)
        err = error_set(e, ERR_CONFIG, "cannot write %s: %s", path, strerror(errno));
    else if (access(path, F_OK) && access(directory, W_OK | X_OK))
        err = error_set(e, ERR_CONFIG, "cannot make a file in %s: %s", directory, strerror(errno));
    free(directory);
    return err;
}

/* The web server serves this file, as another user. */
static enum err check_openapi(struct doctor *doctor, struct error *e)
{
    static const char path[] = PKGDATADIR "/openapi.json";
    struct json_object *contract = NULL, *version = NULL;
    struct stat st;
    enum err err = ERR_OK;

    if (stat(path, &st)) {
        snprintf(doctor->note, sizeof doctor->note, "not on this host");
        return ERR_OK;
    }
    if (!(st.st_mode & S_IROTH))
        return error_set(e, ERR_CONFIG, "%s cannot be read by the web server", path);
    contract = json_object_from_file(path);
    if (json_object_object_get_ex(contract, "openapi", &version))
        snprintf(doctor->note, sizeof doctor->note, "%s, OpenAPI %.20s", path,
                 json_object_get_string(version));
    else
        err = error_set(e, ERR_CONFIG, "%s is not what was installed", path);
    json_object_put(contract);
    return err;
}

static enum err check_database(struct doctor *doctor, struct error *e)
{
    doctor->db = db_new(&doctor->settings);
    enum err err = db_connect(doctor->db, e);
    if (err)
        return err;
    const char *cipher = db_cipher(doctor->db);
    snprintf(doctor->note, sizeof doctor->note, "%s as %s, %s%s", db_host(doctor->db),
             doctor->settings.db.user, cipher ? "TLS with " : "without TLS", cipher ? cipher : "");
    return ERR_OK;
}

static enum err check_schema(struct doctor *doctor, struct error *e)
{
    long version;
    enum err err = schema_check(doctor->db, e);

    if (!err)
        err = schema_version(doctor->db, &version, e);
    if (!err)
        snprintf(doctor->note, sizeof doctor->note, "version %ld", version);
    return err;
}

/* InnoDB then refuses every write at READ COMMITTED (error 1665). */
static enum err check_binlog(struct doctor *doctor, struct error *e)
{
    return schema_binlog(doctor->db, e);
}

/* An upgrade may need rights that an older grants*.sql did not give. Whoever runs this may be a
 * worker or an operator, so either set of rights is enough. */
static enum err check_rights(struct doctor *doctor, struct error *e)
{
    const char *worker, *operators;
    enum err err = schema_check_rights(doctor->db, RIGHTS_WORKER, &worker, e);

    if (!err)
        err = schema_check_rights(doctor->db, RIGHTS_OPERATOR, &operators, e);
    if (err)
        return err;
    if (worker && operators)
        return error_set(e, ERR_CONFIG, "%s lacks %s to be a worker, and %s to be an operator",
                         doctor->settings.db.user, worker, operators);
    snprintf(doctor->note, sizeof doctor->note, "%s",
             worker      ? "those of an operator"
             : operators ? "those of a worker"
                         : "those of a worker and of an operator, who may change the audit");
    return ERR_OK;
}

/* The database's clock says which machines are online, this host's which tokens have expired. */
static enum err check_clock(struct doctor *doctor, struct error *e)
{
    int64_t now = 0;
    enum err err = schema_clock(doctor->db, &now, e);
    long ahead = (long)(now - time(NULL));

    if (!err && labs(ahead) > CLOCK_TOLERANCE)
        err = error_set(e, ERR_CONFIG, "the database's clock is %ld s %s this host's", labs(ahead),
                        ahead > 0 ? "ahead of" : "behind");
    return err;
}

/* Finds machines that share a token. */
static enum err check_machines(struct doctor *doctor, struct error *e)
{
    struct machine_list list = {0};
    struct listed_machine machine;
    char agent_id[IDENT_MAX + 1], at[32];
    int refused = 0;
    enum err err = ERR_OK;

    while (machines_next(doctor->db, &list, &machine, &err, e)) {
        if (!machine.refused_at)
            continue;
        refused++;
        snprintf(agent_id, sizeof agent_id, "%s", machine.agent_id);
        snprintf(at, sizeof at, "%s", machine.refused_at);
    }
    if (!err && refused)
        err = error_set(e, ERR_CONFIG,
                        "%d report from two places; a second instance of %s was refused at %s",
                        refused, agent_id, at);
    return err;
}

enum {
    CONFIGURATION,
    KEYS,
    JWKS,
    METRICS,
    OPENAPI,
    DATABASE,
    SCHEMA,
    BINLOG,
    RIGHTS,
    CLOCK,
    MACHINES,
    CHECKS
};

/* In the order in which they depend on each other. A check is skipped if the one that it needs has
 * failed: one cause shows as one FAIL. */
static const struct {
    const char *name;
    int needs; /* the check that must succeed first; itself: none */
    enum err (*run)(struct doctor *doctor, struct error *e);
    const char *advice;
} checks[CHECKS] = {
    [CONFIGURATION] = {"configuration", CONFIGURATION, check_configuration,
                       "Correct it; vsay.conf(5) explains every key."},
    [KEYS] =
        {"keys", CONFIGURATION, check_keys,
         "Correct auth.keys or the file; openssl rand -hex -out FILE 32 makes an HS256 secret."},
    [JWKS] = {"jwks", CONFIGURATION, check_jwks,
              "See that the job that fetches auth.jwks runs and writes it each time: docs/sso.md."},
    [METRICS] = {"metrics", CONFIGURATION, check_metrics,
                 "Let metrics.file be in a directory that the workers' user may write to; run "
                 "vsayctl doctor as that user."},
    [OPENAPI] = {"openapi", OPENAPI, check_openapi, "Install vsay-api again."},
    [DATABASE] = {"database", CONFIGURATION, check_database,
                  "See that the server runs and that vsayctl setup was run; check db.host, "
                  "db.user, db.password_file, db.name and db.tls."},
    [SCHEMA] = {"schema", DATABASE, check_schema,
                "Run vsayctl migrate as a database user that may create tables, then grants.sql."},
    [BINLOG] =
        {"binary log", DATABASE, check_binlog,
         "Set binlog_format = ROW (or MIXED) in the server's configuration, and restart it."},
    [RIGHTS] = {"rights", SCHEMA, check_rights,
                "Run vsayctl setup again, or apply grants.sql (and grants-operator.sql) as a "
                "database administrator."},
    [CLOCK] = {"clock", DATABASE, check_clock, "Keep the clocks of both hosts right with NTP."},
    [MACHINES] = {"machines", SCHEMA, check_machines,
                  "A copied machine has its original's token: give it its own (vsayctl machine "
                  "add). vsayctl machine list shows which."},
};

/* `note` and `advice` may be NULL. */
static void report(struct doctor *doctor, int which, const char *result, const char *note,
                   const char *advice)
{
    if (!doctor->results) {
        printf("%-6s%s%s%s\n", result, checks[which].name, note ? ": " : "", note ? note : "");
        if (advice)
            printf("      %s\n", advice);
        return;
    }
    struct json_object *object = json_object_new_object();
    output_member(object, "check", checks[which].name);
    output_member(object, "result", result);
    output_member(object, "note", note);
    output_member(object, "advice", advice);
    json_object_array_add(doctor->results, object);
}

static bool check(int which, struct doctor *doctor)
{
    struct error e = {0};
    char detail[4 * sizeof e.detail];

    doctor->note[0] = '\0';
    if (checks[which].run(doctor, &e)) {
        utf8_escape(detail, sizeof detail, e.detail, "");
        report(doctor, which, "FAIL", detail, checks[which].advice);
        return false;
    }
    report(doctor, which, "ok", *doctor->note ? doctor->note : NULL, NULL);
    return true;
}

enum err doctor_examine(const char *config, struct json_object *results, struct error *e)
{
    struct doctor doctor = {.config = config, .results = results};
    bool ok[CHECKS] = {0};
    int failed = 0;

    for (int i = 0; i < CHECKS; i++) {
        int needs = checks[i].needs;
        if (needs != i && !ok[needs]) {
            snprintf(doctor.note, sizeof doctor.note, "needs the %s", checks[needs].name);
            report(&doctor, i, "skip", doctor.note, NULL);
            continue;
        }
        ok[i] = check(i, &doctor);
        failed += !ok[i];
    }
    db_free(doctor.db);
    settings_free(&doctor.settings);
    return failed ? error_set(e, ERR_CONFIG, "%d of %d checks failed", failed, CHECKS) : ERR_OK;
}

static enum err run(const struct invocation *invocation, struct error *e)
{
    struct json_object *results = invocation->json ? json_object_new_array() : NULL;
    enum err err = doctor_examine(invocation->config, results, e);

    if (results) {
        struct json_object *object = json_object_new_object();
        json_object_object_add(object, "checks", results);
        output_json(object, true);
    }
    return err;
}

const struct subcommand cmd_doctor = {
    .name = "doctor",
    .summary = "Check configuration, keys, database, rights, clock, machines and more.",
    .run = run,
};
