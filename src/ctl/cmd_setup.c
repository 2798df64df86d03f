/* SPDX-License-Identifier: MIT */
/* vsayctl setup: runs its steps in order, writes the configuration, and ends as doctor does.
 *
 * The order is that of what depends on what: a user needs its password file, the configuration
 * names both, and the schema must exist before rights on it can be granted. See setup.h. */
#include "config.h"
#include "ctl/setup.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "ctl/output.h"

/* --- the configuration ----------------------------------------------------------------------- */

static bool set(struct setup_plan *plan, const char *section, const char *key, const char *value)
{
    if (setup_conf_has(plan->text, section, key))
        return false;
    setup_conf_set(&plan->text, section, key, value);
    return true;
}

/* The file of the only key, if that is a secret. It may not exist yet; then setup makes it. */
static const char *configured_secret(const struct setup_plan *plan)
{
    const struct strlist *keys = &plan->settings.auth.keys;
    const char *found = keys->count == 1 ? strstr(keys->items[0], ":HS256:/") : NULL;

    return found ? found + strlen(":HS256:") : NULL;
}

static enum err make_key(struct setup_plan *plan, bool *changed, struct error *e)
{
    bool configured = setup_conf_has(plan->text, "auth", "keys"), made = false;
    const char *path = configured ? configured_secret(plan) : plan->key_file;
    time_t seconds = time(NULL);
    struct tm now;

    if (!path) {
        output_step("kept", "auth.keys");
        return ERR_OK;
    }
    enum err err = setup_secret(path, NULL, plan->readers, &made, e);
    if (err)
        return err;
    output_step(made ? "made" : "kept", "%s", path);
    gmtime_r(&seconds, &now);
    char *spec = xasprintf("%da:HS256:%s", 1900 + now.tm_year, path);
    *changed |= set(plan, "auth", "keys", spec);
    free(spec);
    return ERR_OK;
}

/* Sets only what differs from the defaults, so that the file stays short, and writes it only when
 * something was set. */
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
        err = setup_conf_write(plan->conf, plan->text, e);
    if (!err)
        output_step(!plan->conf_there ? "made" : changed ? "changed" : "kept", "%s", plan->conf);
    return err;
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
    struct json_object *steps = output_take_steps();
    struct json_object *checks = steps ? json_object_new_array() : NULL;
    enum err err = become_worker(&setup->plan, e);

    if (!err)
        err = doctor_examine(setup->plan.conf, checks, e);
    if (steps) {
        struct json_object *object = json_object_new_object();
        json_object_object_add(object, "steps", steps);
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
    enum err err = setup_read(worker, &setup->worker_grants, e);

    if (!err)
        err = setup_read(operators, &setup->operator_grants, e);
    if (!err && access(migrations, R_OK | X_OK))
        err = error_set(e, ERR_IO, "cannot read %s", migrations);
    if (!err)
        err = setup_connect(setup, e);
    free(worker);
    free(operators);
    free(migrations);
    return err;
}

static enum err run(const struct invocation *invocation, struct error *e)
{
    static enum err (*const all[])(struct setup * setup, struct error * e) = {
        prepare,   setup_make_database, setup_make_accounts,
        make_conf, setup_make_schema,   setup_make_rights,
        examine};
    struct setup setup = {0};
    enum err err = setup_plan_make(&setup.plan, invocation, e);

    if (invocation->json)
        output_collect_steps();
    for (size_t i = 0; !err && i < sizeof all / sizeof *all; i++)
        err = all[i](&setup, e);
    db_free(setup.db);
    free(setup.from);
    free(setup.worker_grants);
    free(setup.operator_grants);
    setup_plan_free(&setup.plan);
    json_object_put(output_take_steps()); /* if a step has failed */
    return err;
}

const struct subcommand cmd_setup = {
    .name = "setup",
    .summary = "Set the service up: configuration, secrets, database, users, schema, rights.",
    .options =
        {
            [SETUP_HOST] = {"host", "ADDRESS",
                            .help = "database: HOST, HOST:PORT or a socket's path"},
            [SETUP_NAME] = {"name", "NAME", .help = "name of the database (default: vsay)"},
            [SETUP_ADMIN] = {"admin", "USER", .help = "database administrator (default: root)"},
            [SETUP_ADMIN_PASSWORD_FILE] = {"admin-password-file", "FILE",
                                           .help = "file with the administrator's password"},
            [SETUP_FROM] =
                {"from", "HOST",
                 .help = "host that the users connect from, such as 10.0.0.% (default: this one)"},
            [SETUP_ONE_USER] =
                {"one-user",
                 .help = "make no database users: workers and operators use the administrator"},
            [SETUP_RUN_AS] =
                {"run-as", "USER",
                 .help = "system user of the workers (default: vsay; if you are not root, you)"},
            [SETUP_DIR] = {"dir", "DIR", .help = "directory of migrations, grants and sample",
                           .fallback = PKGDATADIR},
            [SETUP_YES] = {"yes", .help = "ask nothing"},
        },
    .run = run,
};
