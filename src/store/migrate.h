/* SPDX-License-Identifier: MIT */
/* Applies numbered migrations.
 *
 * Several hosts, or the containers of one deployment, may start `vsayctl migrate` at once; a lease
 * in the database lets one process at a time migrate, and the others wait and then find nothing to
 * do. Migrations may also be fed to the database's own client, so each file records its own number.
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "store/db.h"

enum migrate_event {
    MIGRATE_WAITING, /* for another process, whose name is `what` */
    MIGRATE_APPLIED  /* `what` is the file */
};

typedef void migrate_fn(enum migrate_event event, const char *what);

/* Runs every NNNN_*.sql of `directory` whose number is not in schema_migrations, in order. Each
 * file must record its number there, and be safe to run again after it failed half way. */
enum err migrate(struct db *db, const struct settings *settings, const char *directory,
                 migrate_fn *report, struct error *e);

#endif
