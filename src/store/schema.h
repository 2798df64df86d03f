/* SPDX-License-Identifier: MIT */
/* Which schema there is, whether it can be written to, and what time it is there. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "store/db.h"

/* The newest migration that this program needs; a newer schema serves it too. */
enum { SCHEMA_VERSION = 8 };

/* The version of the database's schema, 0 for an empty database. */
enum err schema_version(struct db *db, long *version, struct error *e);

/* ERR_DB_SCHEMA when the schema is older than SCHEMA_VERSION. */
enum err schema_check(struct db *db, struct error *e);

/* ERR_CONFIG when the server refuses all that vsay writes, since its binary log is by statement,
 * which READ COMMITTED does not go with: the default of MySQL 5.6. */
enum err schema_binlog(struct db *db, struct error *e);

/* The database's clock, Unix seconds. */
enum err schema_clock(struct db *db, int64_t *now, struct error *e);

enum rights { RIGHTS_WORKER, RIGHTS_OPERATOR };

/* Tries what earlier releases did not grant, on no rows. *missing is the first right that is not
 * there, such as `INSERT on audit`, or NULL; static. */
enum err schema_check_rights(struct db *db, enum rights rights, const char **missing,
                             struct error *e);

#endif
