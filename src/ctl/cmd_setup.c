/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/ctl.h"

#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mysqld_error.h>

#include "base/log.h"
#include "base/utf8.h"
#include "base/xalloc.h"
#include "ctl/conf_text.h"
#include "ctl/doctor.h"
#include "ctl/output.h"
#include "ctl/setup_db.h"
#include "ctl/setup_plan.h"
#include "store/migrate.h"

enum { STATEMENT_MAX = 24 * 3600 }; /* s; a migration may rebuild a large table */

struct setup {
    struct setup_plan plan;
    char *worker_grants, *operator_grants; /* SQL */
    struct settings ctx;                   /* for the administrator; borrows from the plan */
    struct db *db;
    char *from; /* the host that database users connect from */
};

static struct json_object *steps; /* with --json; NULL: print each at once */

/* Reports a step. `result` is made, changed or kept. */
static void report(const char *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void report(const char *result, const char *format, ...)
{
    char what[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (!steps) {
        printf("%-7s %s\n", result, what);
        fflush(stdout);
        return;
    }
    struct json_object *step = json_object_new_object();
    output_member(step, "result", result);
    output_member(step, "what", what);
    json_object_array_add(steps, step);
}

/* --- as the administrator -------------------------------------------------------------------- */

/* `name` is the database, or "". */
static void reconnect(struct setup *setup, char *name)
{
    db_free(setup->db);
    setup->ctx.db.name = name;
    setup->ctx.db.password = setup->plan.password;
    setup->db = db_new(&setup->ctx);
}

static bool wants_password(const struct error *e)
{
    return e->db_number == ER_ACCESS_DENIED_ERROR || e->db_number == 1698; /* without a password */
}

static enum err connect_as_admin(struct setup *setup, struct error *e)
{
    static char none[] = "";
    static char *hosts[1];
    struct setup_plan *plan = &setup->plan;

    setup->ctx = plan->settings;
    setup->ctx.db.user = plan->admin;
    setup->ctx.db.password_file = none;
    setup->ctx.db.read_timeout = STATEMENT_MAX;
    if (!conf_text_has(plan->text, "db", "host")) {
        hosts[0] = plan->host;
        setup->ctx.db.host = (struct strlist){hosts, 1};
    }
    reconnect(setup, none);
    enum err err = db_connect(setup->db, e);
    if (err && wants_password(e) && setup_plan_ask_password(plan)) {
        *e = (struct error){0};
        reconnect(setup, none);
        err = db_connect(setup->db, e);
    }
    return err;
}

static bool not_allowed(const struct error *e)
{
    return e->db_number == ER_DBACCESS_DENIED_ERROR ||
           e->db_number == ER_TABLEACCESS_DENIED_ERROR ||
           e->db_number == ER_SPECIFIC_ACCESS_DENIED_ERROR;
}

static enum err make_database(struct setup *setup, struct error *e)
{
    const struct setup_plan *plan = &setup->plan;
    bool made = false;
    enum err err = setup_database(setup->db, plan->name, &made, e);

    if (err && not_allowed(e))
        err = error_set(e, err,
                        "%s may not create databases: create %s where your host lets you "
                        "(its panel), or as a database administrator, and run setup again",
                        plan->admin, plan->name);
    if (!err)
        report(made ? "made" : "kept", "database %s", plan->name);
    return err;
}

/* --- secrets and users ----------------------------------------------------------------------- */

/* Creates a file with a random secret, unless it exists. */
static enum err make_secret(const char *path, struct readers readers, bool *made, struct error *e)
{
    char *secret = NULL;
    enum err err = setup_random(&secret, e);

    if (!err)
        err = setup_secret(path, secret, readers, made, e);
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
    return err;
}

/* For a user that exists already: its password must be the one in the file. */
static enum err check_account(const struct setup *setup, struct account account, const char *path,
                              const char *password, struct error *e)
{
    struct error why = {0};

    enum err err = setup_log_in(&setup->ctx, account.user, password, &why);
    if (err && !wants_password(&why))
        *e = why;
    if (!err || !wants_password(&why))
        return err;
    return error_set(e, ERR_CONFIG,
                     "the database has a user %s@%s, but not with the password in %s: put its "
                     "password there, or DROP USER, and run setup again",
                     account.user, account.host, path);
}

/* Creates a user, and the file with its password. *refused: the administrator may not create
 * users. */
static enum err make_account(const struct setup *setup, const char *user, const char *path,
                             struct readers readers, bool *refused, struct error *e)
{
    struct account account = {user, setup->from};
    enum account_state state = ACCOUNT_MADE;
    char *password = NULL;
    bool made = false;
    enum err err = make_secret(path, readers, &made, e);

    if (!err)
        err = settings_read_password(path, &password, e);
    if (!err)
        err = setup_account(setup->db, account, password, &state, e);
    *refused = !err && state == ACCOUNT_REFUSED;
    if (!err && state == ACCOUNT_THERE)
        err = check_account(setup, account, path, password, e);
    if (made && (err || *refused))
        unlink(path);
    if (!err && !*refused) {
        report(made ? "made" : "kept", "%s", path);
        report(state == ACCOUNT_MADE ? "made" : "kept", "database user %s@%s", user, setup->from);
    }
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return err;
}

/* For hosting providers that give only one database user. */
static enum err keep_password(const struct setup_plan *plan, struct error *e)
{
    char *password = NULL;
    bool made = false;

    if (!plan->password)
        return ERR_OK;
    enum err err = setup_secret(plan->worker_file, plan->password, plan->readers, &made, e);
    if (!err)
        err = settings_read_password(plan->worker_file, &password, e);
    if (!err && strcmp(password, plan->password) != 0)
        err = error_set(e, ERR_CONFIG,
                        "%s exists, but does not have the password of %s: correct or "
                        "remove it, and run setup again",
                        plan->worker_file, plan->admin);
    if (!err)
        report(made ? "made" : "kept", "%s", plan->worker_file);
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return err;
}

static enum err go_on_with_one_user(struct setup_plan *plan, struct error *e)
{
    char *question = xasprintf("%s may not create database users. Have the workers, and operators, "
                               "work as %s?",
                               plan->admin, plan->admin);
    bool yes = setup_plan_confirm(plan, question);

    free(question);
    if (yes)
        return setup_plan_one_user(plan, e);
    return error_set(e, ERR_DB,
                     "%s may not create database users: give --admin another one, or "
                     "--one-user, so that workers and operators work as %s",
                     plan->admin, plan->admin);
}

static enum err make_accounts(struct setup *setup, struct error *e)
{
    struct setup_plan *plan = &setup->plan;
    const struct readers private = {0600, (gid_t)-1};
    bool refused = false;
    enum err err = ERR_OK;

    if (!plan->one_user)
        err = make_account(setup, plan->worker, plan->worker_file, plan->readers, &refused, e);
    if (!err && refused)
        err = go_on_with_one_user(plan, e);
    if (!err && plan->one_user)
        return keep_password(plan, e);
    if (!err)
        err = make_account(setup, "vsayctl", plan->operator_file, private, &refused, e);
    return !err && refused ? error_set(e, ERR_DB, "%s may not create the user vsayctl", plan->admin)
                           : err;
}

/* --- the configuration ----------------------------------------------------------------------- */

static bool set(struct setup_plan *plan, const char *section, const char *key, const char *value)
{
    if (conf_text_has(plan->text, section, key))
        return false;
    conf_text_set(&plan->text, section, key, value);
    return true;
}

/* The file of the only key, if that is a secret. The file may not exist yet. */
static const char *configured_secret(const struct setup_plan *plan)
{
    const struct strlist *keys = &plan->settings.auth.keys;
    const char *found = keys->count == 1 ? strstr(keys->items[0], ":HS256:/") : NULL;

    return found ? found + strlen(":HS256:") : NULL;
}

static enum err make_key(struct setup_plan *plan, bool *changed, struct error *e)
{
    bool configured = conf_text_has(plan->text, "auth", "keys"), made = false;
    const char *path = configured ? configured_secret(plan) : plan->key_file;
    time_t seconds = time(NULL);
    struct tm now;

    if (!path) {
        report("kept", "auth.keys");
        return ERR_OK;
    }
    enum err err = make_secret(path, plan->readers, &made, e);
    if (err)
        return err;
    report(made ? "made" : "kept", "%s", path);
    gmtime_r(&seconds, &now);
    char *spec = xasprintf("%da:HS256:%s", 1900 + now.tm_year, path);
    *changed |= set(plan, "auth", "keys", spec);
    free(spec);
    return ERR_OK;
}

static enum err make_conf(struct setup *setup, struct error *e)
{
    struct setup_plan *plan = &setup->plan;
    bool changed = set(plan, "db", "host", plan->host);

    if (strcmp(plan->worker, plan->settings.db.user) != 0)
        changed |= set(plan, "db", "user", plan->worker);
    if (!plan->one_user || plan->password)
        changed |= set(plan, "db", "password_file", plan->worker_file);
    if (strcmp(plan->name, plan->settings.db.name) != 0)
        changed |= set(plan, "db", "name", plan->name);
    enum err err = make_key(plan, &changed, e);
    if (!err && (changed || !plan->conf_there))
        err = setup_conf(plan->conf, plan->text, e);
    if (!err)
        report(!plan->conf_there ? "made" : changed ? "changed" : "kept", "%s", plan->conf);
    return err;
}

/* --- schema and rights ----------------------------------------------------------------------- */

static bool migrated;

static void report_migration(enum migrate_event event, const char *what)
{
    if (event == MIGRATE_WAITING) {
        log_say("vsayctl: waiting for %s, which is migrating", what);
        return;
    }
    migrated = true;
    report("made", "schema: %s", what);
}

static enum err make_schema(struct setup *setup, struct error *e)
{
    char *directory = setup_plan_installed(&setup->plan, "migrations");

    reconnect(setup, setup->plan.name);
    enum err err = migrate(setup->db, &setup->ctx, directory, report_migration, e);
    if (!err && !migrated)
        report("kept", "schema");
    free(directory);
    return err;
}

static enum err grant(struct setup *setup, const char *grants, const char *as_written,
                      const char *user, struct error *e)
{
    struct error why = {0};
    enum err err =
        setup_grant(setup->db, grants, as_written, (struct account){user, setup->from}, &why);

    if (err)
        return error_set(e, err,
                         "cannot grant %s its rights: %.150s; name with --admin a user "
                         "who may GRANT",
                         user, why.detail);
    report("made", "rights of %s@%s", user, setup->from);
    return ERR_OK;
}

static enum err make_rights(struct setup *setup, struct error *e)
{
    if (setup->plan.one_user)
        return ERR_OK;
    enum err err = grant(setup, setup->worker_grants, "vsay", setup->plan.worker, e);
    return err ? err : grant(setup, setup->operator_grants, "vsayctl", "vsayctl", e);
}

/* --- the end --------------------------------------------------------------------------------- */

/* Becomes the workers' user for the checks, since root can read files that workers cannot. There is
 * no way back, but this is the last step. */
static enum err become_worker(const struct setup_plan *plan, struct error *e)
{
    const struct passwd *user = plan->run_as;

    if (geteuid() != 0 || !user || user->pw_uid == 0)
        return ERR_OK;
    if (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid))
        return error_set(e, ERR_INTERNAL, "cannot become the user %s", user->pw_name);
    return ERR_OK;
}

static enum err examine(struct setup *setup, struct error *e)
{
    struct json_object *checks = steps ? json_object_new_array() : NULL;
    enum err err = become_worker(&setup->plan, e);

    if (!err)
        err = doctor_examine(setup->plan.conf, checks, e);
    if (steps) {
        struct json_object *object = json_object_new_object();
        json_object_object_add(object, "steps", json_object_get(steps));
        json_object_object_add(object, "checks", checks);
        output_json(object, true);
    } else if (!err && !setup->plan.one_user) {
        printf("Operators: export VSAY_DB_USER=vsayctl VSAY_DB_PASSWORD_FILE=%s\n",
               setup->plan.operator_file);
    }
    return err;
}

/* Checks the installed files and connects to the database, before anything is changed. */
static enum err prepare(struct setup *setup, struct error *e)
{
    char *worker = setup_plan_installed(&setup->plan, "grants.sql");
    char *operators = setup_plan_installed(&setup->plan, "grants-operator.sql");
    char *migrations = setup_plan_installed(&setup->plan, "migrations");
    const char *from = setup->plan.flags[SETUP_FROM];
    enum err err = setup_read(worker, &setup->worker_grants, e);

    if (!err)
        err = setup_read(operators, &setup->operator_grants, e);
    if (!err && access(migrations, R_OK | X_OK))
        err = error_set(e, ERR_IO, "cannot read %s", migrations);
    if (!err)
        err = connect_as_admin(setup, e);
    if (!err && from)
        setup->from = xstrdup(from);
    else if (!err)
        err = setup_client_host(setup->db, &setup->from, e);
    free(worker);
    free(operators);
    free(migrations);
    return err;
}

static enum err run(const struct invocation *invocation, struct error *e)
{
    static enum err (*const all[])(struct setup * setup, struct error * e) = {
        prepare, make_database, make_accounts, make_conf, make_schema, make_rights, examine};
    struct setup setup = {0};
    enum err err = setup_plan_make(&setup.plan, invocation, e);

    steps = invocation->json ? json_object_new_array() : NULL;
    for (size_t i = 0; !err && i < sizeof all / sizeof *all; i++)
        err = all[i](&setup, e);
    db_free(setup.db);
    free(setup.from);
    free(setup.worker_grants);
    free(setup.operator_grants);
    setup_plan_free(&setup.plan);
    json_object_put(steps);
    return err;
}

const struct subcommand cmd_setup = {
    .name = "setup",
    .summary = "Set the service up: configuration, secrets, database, users, schema, rights.",
    .options =
        {
            [SETUP_HOST] = {"host", "ADDRESS", "database: HOST, HOST:PORT or a socket's path"},
            [SETUP_NAME] = {"name", "NAME", "name of the database (default: vsay)"},
            [SETUP_ADMIN] = {"admin", "USER", "database administrator (default: root)"},
            [SETUP_ADMIN_PASSWORD_FILE] = {"admin-password-file", "FILE",
                                           "file with the administrator's password"},
            [SETUP_FROM] =
                {"from", "HOST",
                 "host that the users connect from, such as 10.0.0.% (default: this one)"},
            [SETUP_ONE_USER] = {"one-user",
                                .help = "make no database users: all works as the administrator"},
            [SETUP_RUN_AS] = {"run-as", "USER",
                              "system user of the workers (default: vsay, or who is not root)"},
            [SETUP_DIR] = {"dir", "DIR", "directory of migrations, grants and sample",
                           .fallback = PKGDATADIR},
            [SETUP_YES] = {"yes", .help = "ask nothing"},
        },
    .run = run,
};
