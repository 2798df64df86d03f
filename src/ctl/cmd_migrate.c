/* SPDX-License-Identifier: MIT */
/* vsayctl migrate. It does not use a context: that would refuse an old schema, which is what this
 * command is for. */
#include "config.h"
#include "ctl/ctl.h"

#include <stdio.h>

#include "base/log.h"
#include "ctl/output.h"
#include "store/migrate.h"
#include "store/schema.h"

enum { STATEMENT_MAX = 24 * 3600 }; /* s; a migration may rebuild a large table */

static struct json_object *applied; /* with --json */

static void report(enum migrate_event event, const char *what)
{
    if (event == MIGRATE_WAITING)
        log_say("vsayctl: waiting for %s, which is migrating", what);
    else if (applied)
        json_object_array_add(applied, json_object_new_string(what));
    else
        printf("applied %s\n", what);
}

static void print_version(long version)
{
    struct json_object *object;

    if (!applied) {
        printf("schema is at version %ld\n", version);
        return;
    }
    object = json_object_new_object();
    json_object_object_add(object, "applied", json_object_get(applied));
    json_object_object_add(object, "version", json_object_new_int64(version));
    output_json(object, true);
}

enum { DIRECTORY };

static enum err run(const struct invocation *invocation, struct error *e)
{
    struct settings settings;
    struct db *db = NULL;
    long version = 0;
    enum err err = settings_load("vsayctl", invocation->config, SETTINGS_DB, &settings, e);

    if (err)
        goto out;
    applied = invocation->json ? json_object_new_array() : NULL;
    settings.db.read_timeout = STATEMENT_MAX;
    db = db_new(&settings);
    err = migrate(db, &settings, invocation->values[DIRECTORY], report, e);
    if (!err)
        err = schema_version(db, &version, e);
    if (!err)
        print_version(version);
out:
    json_object_put(applied);
    db_free(db);
    settings_free(&settings);
    return err;
}

const struct subcommand cmd_migrate = {
    .name = "migrate",
    .summary = "Bring the database's schema up to date.",
    .options = {[DIRECTORY] = {"dir", "DIR", .help = "directory of the migrations",
                               .fallback = PKGDATADIR "/migrations"}},
    .run = run,
};
