/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/setup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mysqld_error.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ctl/output.h"
#include "store/migrate.h"

enum { STATEMENT_MAX = 24 * 3600 };           /* s; a migration may rebuild a large table */
enum { ER_ACCESS_DENIED_NO_PASSWORD = 1698 }; /* its name differs between client libraries */

/* A database user, as USER@HOST. */
struct account {
    const char *user, *host;
};

/* --- SQL text -------------------------------------------------------------------------------- */

/* A string literal. CREATE USER and GRANT take no parameters, so names and passwords become text.
 * A backslash escapes in the session's sql_mode. The caller frees it. */
static char *quote(const char *text)
{
    char *out = xcalloc(2, strlen(text) + 2), *end = out;

    *end++ = '\'';
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            *end++ = '\\';
        *end++ = *text;
    }
    *end = '\'';
    return out;
}

static char *quote_account(struct account account)
{
    char *user = quote(account.user), *host = quote(account.host);
    char *out = xasprintf("%s@%s", user, host);

    free(user);
    free(host);
    return out;
}

/* --- the administrator ----------------------------------------------------------------------- */

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
    return e->db_number == ER_ACCESS_DENIED_ERROR || e->db_number == ER_ACCESS_DENIED_NO_PASSWORD;
}

/* Connects without a database, which may not exist yet. Where the server asks for no password, as
 * for root over a socket, none is asked for. */
static enum err log_in_as_admin(struct setup *setup, struct error *e)
{
    static char none[] = "";
    static char *hosts[1];
    struct setup_plan *plan = &setup->plan;

    setup->ctx = plan->settings;
    setup->ctx.db.user = plan->admin;
    setup->ctx.db.password_file = none;
    setup->ctx.db.read_timeout = STATEMENT_MAX;
    if (!setup_conf_has(plan->text, "db", "host")) {
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

/* The administrator lacks a right. */
static bool not_allowed(const struct error *e)
{
    return e->db_number == ER_DBACCESS_DENIED_ERROR ||
           e->db_number == ER_TABLEACCESS_DENIED_ERROR ||
           e->db_number == ER_SPECIFIC_ACCESS_DENIED_ERROR;
}

enum err setup_connect(struct setup *setup, struct error *e)
{
    const char *from = setup->plan.flags[SETUP_FROM];
    enum err err = log_in_as_admin(setup, e);

    if (err)
        return err;
    setup->from = xstrdup(from ? from : "localhost");
    if (from)
        return ERR_OK;
    /* This host as the server sees it: the part after USER@. */
    return db_run_value(setup->db, "SELECT SUBSTRING_INDEX(USER(), '@', -1)", &setup->from, e);
}

/* --- the database ---------------------------------------------------------------------------- */

/* Creates a database unless it exists; then *made is false. `name` is an identifier. Looks first:
 * CREATE DATABASE IF NOT EXISTS needs the right to create, even for one that exists. */
static enum err create_database(struct db *admin, const char *name, bool *made, struct error *e)
{
    char *found = NULL;
    char *look = xasprintf("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA "
                           "WHERE SCHEMA_NAME = '%s'",
                           name);
    char *create = xasprintf("CREATE DATABASE `%s` CHARACTER SET utf8mb4", name);
    enum err err = db_run_value(admin, look, &found, e);

    *made = !err && !found;
    if (*made)
        err = db_run_script(admin, create, e);
    if (err && e->db_number == ER_DB_CREATE_EXISTS) /* created by another process meanwhile */
        err = ERR_OK;
    free(found);
    free(look);
    free(create);
    return err;
}

enum err setup_make_database(struct setup *setup, struct error *e)
{
    const struct setup_plan *plan = &setup->plan;
    bool made = false;
    enum err err = create_database(setup->db, plan->name, &made, e);

    if (err && not_allowed(e))
        err = error_set(e, err,
                        "%s may not create databases: create %s where your host lets you "
                        "(its panel), or as a database administrator, and run setup again",
                        plan->admin, plan->name);
    if (!err)
        output_step(made ? "made" : "kept", "database %s", plan->name);
    return err;
}

/* --- users ----------------------------------------------------------------------------------- */

enum account_state { ACCOUNT_MADE, ACCOUNT_THERE, ACCOUNT_REFUSED };

/* Creates a user. ACCOUNT_REFUSED: the administrator has no right to; `e` has the details. */
static enum err create_account(struct db *admin, struct account account, const char *password,
                               enum account_state *state, struct error *e)
{
    char *name = quote_account(account), *quoted = quote(password);
    char *sql = xasprintf("CREATE USER %s IDENTIFIED BY %s", name, quoted);
    struct error ignored = {0}; /* newer servers lack this variable */

    db_run_script(admin, "SET SESSION old_passwords = 0", &ignored);
    enum err err = db_run_script(admin, sql, e);

    *state = ACCOUNT_MADE;
    if (err && e->db_number == ER_CANNOT_USER) {
        *state = ACCOUNT_THERE;
        err = ERR_OK;
    } else if (err && not_allowed(e)) {
        *state = ACCOUNT_REFUSED;
        err = ERR_OK;
    }
    setup_wipe(sql);
    setup_wipe(quoted);
    free(name);
    return err;
}

/* Logs in as the user. ERR_DB_AWAY when the password is wrong. */
static enum err log_in(const struct settings *ctx, const char *user, const char *password,
                       struct error *e)
{
    struct settings settings = *ctx;
    char *name = xstrdup(user), none[] = "";

    settings.db.user = name;
    settings.db.password = password;
    settings.db.name = none;
    struct db *db = db_new(&settings);
    enum err err = db_connect(db, e);
    db_free(db);
    free(name);
    return err;
}

/* For a user that exists already: its password must be the one in the file. Setup never changes the
 * password of a user: another host may use it. */
static enum err check_account(const struct setup *setup, struct account account, const char *path,
                              const char *password, struct error *e)
{
    struct error why = {0};

    enum err err = log_in(&setup->ctx, account.user, password, &why);
    if (err && !wants_password(&why))
        *e = why;
    if (!err || !wants_password(&why))
        return err;
    return error_set(e, ERR_CONFIG,
                     "the database has a user %s@%s, but not with the password in %s: put its "
                     "password there, or DROP USER, and run setup again",
                     account.user, account.host, path);
}

/* Creates a user, and the file with its password. The file comes first: if setup stops in between,
 * the next one finds the password there, and no user has a password that nobody knows. If the user
 * cannot be made with it, a new file is removed again. *refused: the administrator may not create
 * users. */
static enum err make_account(const struct setup *setup, const char *user, const char *path,
                             struct readers readers, bool *refused, struct error *e)
{
    struct account account = {user, setup->from};
    enum account_state state = ACCOUNT_MADE;
    char *password = NULL;
    bool made = false;
    enum err err = setup_secret(path, NULL, readers, &made, e);

    if (!err)
        err = settings_read_password(path, &password, e);
    if (!err)
        err = create_account(setup->db, account, password, &state, e);
    *refused = !err && state == ACCOUNT_REFUSED;
    if (!err && state == ACCOUNT_THERE)
        err = check_account(setup, account, path, password, e);
    if (made && (err || *refused))
        unlink(path);
    if (!err && !*refused) {
        output_step(made ? "made" : "kept", "%s", path);
        output_step(state == ACCOUNT_MADE ? "made" : "kept", "database user %s@%s", user,
                    setup->from);
    }
    setup_wipe(password);
    return err;
}

/* For hosting providers that give only one database user: the file of the workers' password gets
 * the administrator's. */
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
        output_step(made ? "made" : "kept", "%s", plan->worker_file);
    setup_wipe(password);
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

enum err setup_make_accounts(struct setup *setup, struct error *e)
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

/* --- schema and rights ----------------------------------------------------------------------- */

static bool migrated;

static void report_migration(enum migrate_event event, const char *what)
{
    if (event == MIGRATE_WAITING) {
        log_say("vsayctl: waiting for %s, which is migrating", what);
        return;
    }
    migrated = true;
    output_step("made", "schema: %s", what);
}

enum err setup_make_schema(struct setup *setup, struct error *e)
{
    char *directory = setup_plan_installed(&setup->plan, "migrations");

    reconnect(setup, setup->plan.name);
    enum err err = migrate(setup->db, &setup->ctx, directory, report_migration, e);
    if (!err && !migrated)
        output_step("kept", "schema");
    free(directory);
    return err;
}

/* Replaces `from` with `to` everywhere. The caller frees the result. */
static char *replace(const char *text, const char *from, const char *to)
{
    char *out = NULL;
    size_t length = 0;
    FILE *stream = xmemstream(&out, &length);

    for (const char *found; (found = strstr(text, from)); text = found + strlen(from))
        fprintf(stream, "%.*s%s", (int)(found - text), text, to);
    fputs(text, stream);
    xfclose(stream);
    return out;
}

/* Runs the text of a grants*.sql, which names `as_written`@localhost, for `account`. */
static enum err run_grants(struct db *admin, const char *grants, const char *as_written,
                           struct account account, struct error *e)
{
    char *from = xasprintf("%s@localhost", as_written), *to = quote_account(account);
    char *sql = replace(grants, from, to);
    enum err err = db_run_script(admin, sql, e);

    free(sql);
    free(from);
    free(to);
    return err;
}

static enum err grant(struct setup *setup, const char *grants, const char *as_written,
                      const char *user, struct error *e)
{
    struct error why = {0};
    enum err err =
        run_grants(setup->db, grants, as_written, (struct account){user, setup->from}, &why);

    if (err)
        return error_set(e, err,
                         "cannot grant %s its rights: %.150s; name with --admin a user "
                         "who may GRANT",
                         user, why.detail);
    output_step("made", "rights of %s@%s", user, setup->from);
    return ERR_OK;
}

enum err setup_make_rights(struct setup *setup, struct error *e)
{
    if (setup->plan.one_user)
        return ERR_OK;
    enum err err = grant(setup, setup->worker_grants, "vsay", setup->plan.worker, e);
    return err ? err : grant(setup, setup->operator_grants, "vsayctl", "vsayctl", e);
}
