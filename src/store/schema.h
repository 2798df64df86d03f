/* SPDX-License-Identifier: MIT */
/* Checks of the database: its schema version, whether it can be written to, its clock, and the
 * rights of its users. What these find would otherwise come to light at the first report that
 * cannot be stored. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "store/db.h"

/* The newest migration that this program needs. A newer schema works too. */
enum { SCHEMA_VERSION = 8 };

/* The version of the schema; 0: an empty database. */
enum err schema_version(struct db *db, long *version, struct error *e);

/* ERR_DB_SCHEMA when the schema is older than SCHEMA_VERSION. */
enum err schema_check(struct db *db, struct error *e);

/* ERR_CONFIG when the server would refuse all writes: its binary log is by statement (the default
 * of MySQL 5.6), which READ COMMITTED does not allow. */
enum err schema_binlog(struct db *db, struct error *e);

/* The database's clock, Unix seconds. */
enum err schema_clock(struct db *db, int64_t *now, struct error *e);

enum rights { RIGHTS_WORKER, RIGHTS_OPERATOR };

/* Checks that a database user has what db/grants.sql or db/grants-operator.sql grants, by trying
 * what earlier releases did not grant, on no rows. *missing is the first missing right, such as
 * `INSERT on audit`, or NULL; static. */
enum err schema_check_rights(struct db *db, enum rights rights, const char **missing,
                             struct error *e);

#endif
