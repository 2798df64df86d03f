/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/schema.h"

static void number_row(void *context, const struct cell *cells)
{
    *(int64_t *)context = cell_int(&cells[0]);
}

enum err schema_version(struct db *db, long *version, struct error *e)
{
    struct params params = {0};
    int64_t number = 0;
    enum err err = db_select(db, STATEMENT_SCHEMA_VERSION, &params, number_row, &number, e);

    if (err == ERR_DB_SCHEMA) /* not even the table */
        err = ERR_OK;
    *version = (long)number;
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

static void count_row(void *context, const struct cell *cells)
{
    (void)cells;
    ++*(int *)context;
}

enum err schema_binlog(struct db *db, struct error *e)
{
    struct params params = {0};
    int found = 0;
    enum err err = db_select(db, STATEMENT_BINLOG, &params, count_row, &found, e);

    if (!err && found == 2) /* it is on, and by statement */
        err = error_set(e, ERR_CONFIG, "binlog_format is STATEMENT: nothing can be written");
    return err;
}

enum err schema_clock(struct db *db, int64_t *now, struct error *e)
{
    struct params params = {0};

    return db_select(db, STATEMENT_CLOCK, &params, number_row, now, e);
}
