/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/schema.h"

enum err schema_version(struct db *db, long *version, struct error *e)
{
    struct params params = {0};
    enum err err = db_select(db, STATEMENT_SCHEMA_VERSION, &params, e);
    const struct cell *row = db_row(db);

    if (err == ERR_DB_SCHEMA) /* not even the table */
        err = ERR_OK;
    *version = row ? (long)cell_int(row) : 0;
    return err;
}

enum err schema_check(struct db *db, struct error *e)
{
    long version = 0;
    enum err err = schema_version(db, &version, e);

    if (!err && version < SCHEMA_VERSION)
        err = error_set(e, ERR_DB_SCHEMA, "schema version %ld, need %d: run vsayctl migrate",
                        version, SCHEMA_VERSION);
    return err;
}

enum err schema_binlog(struct db *db, struct error *e)
{
    struct params params = {0};
    int found = 0;
    enum err err = db_select(db, STATEMENT_BINLOG, &params, e);

    while (db_row(db))
        found++;
    if (!err && found == 2) /* it is on, and by statement */
        err = error_set(e, ERR_CONFIG, "binlog_format is STATEMENT: nothing can be written");
    return err;
}

enum err schema_clock(struct db *db, int64_t *now, struct error *e)
{
    struct params params = {0};
    enum err err = db_select(db, STATEMENT_CLOCK, &params, e);

    const struct cell *row = db_row(db);

    if (row)
        *now = cell_int(row);
    return err;
}
