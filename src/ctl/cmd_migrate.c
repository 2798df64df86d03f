/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/ctl.h"

#include <stdio.h>

#include "base/log.h"
#include "store/migrate.h"
#include "store/schema.h"

enum { STATEMENT_MAX = 24 * 3600 }; /* s; a migration may rebuild a large table */

static void tell(enum migrate_event event, const char *what)
{
    if (event == MIGRATE_WAITING)
        log_say("vsayctl: waiting for %s, which is migrating", what);
    else
        printf("applied %s\n", what);
}

enum { DIRECTORY };

static enum err run(const struct call *call, struct error *e)
{
    struct settings settings;
    struct db *db = NULL;
    long version = 0;
    enum err err = settings_load("vsayctl", call->config, SETTINGS_DB, &settings, e);

    if (err)
        goto out;
    settings.db.read_timeout = STATEMENT_MAX;
    db = db_new(&settings);
    err = migrate(db, &settings, call->values[DIRECTORY], tell, e);
    if (!err)
        err = schema_version(db, &version, e);
    if (!err)
        printf("schema is at version %ld\n", version);
out:
    db_free(db);
    settings_free(&settings);
    return err;
}

const struct command cmd_migrate = {
    .name = "migrate",
    .summary = "Bring the database's schema up to date.",
    .options = {[DIRECTORY] = {"dir", "DIR", PKGDATADIR "/migrations",
                               "directory of the migrations"}},
    .run = run,
};
