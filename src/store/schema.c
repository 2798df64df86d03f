/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/schema.h"

#include <mysqld_error.h>

enum err schema_version(struct db *db, long *version, struct error *e)
{
    enum err err = db_text(db, "SELECT COALESCE(MAX(version), 0) FROM schema_migrations", e);
    const struct cell *row = db_row(db);

    if (err == ERR_DB_SCHEMA) /* the table does not exist yet */
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
    static const char sql[] =
        "SHOW GLOBAL VARIABLES WHERE (Variable_name = 'log_bin' AND Value = 'ON') "
        "OR (Variable_name = 'binlog_format' AND Value = 'STATEMENT')";
    int found = 0;
    enum err err = db_text(db, sql, e);

    while (db_row(db))
        found++;
    if (!err && found == 2) /* the binary log is on, and by statement */
        err = error_set(e, ERR_CONFIG, "binlog_format is STATEMENT: nothing can be written");
    return err;
}

enum err schema_clock(struct db *db, int64_t *now, struct error *e)
{
    enum err err = db_text(db, "SELECT TIMESTAMPDIFF(SECOND, '1970-01-01', UTC_TIMESTAMP())", e);
    const struct cell *row = db_row(db);

    if (row)
        *now = cell_int(row);
    return err;
}

/* --- rights ----------------------------------------------------------------------------------- */

struct probe {
    const char *right, *sql; /* NULL ends the list */
};

/* INSERT, UPDATE and DELETE need their right even when they change no row. Trying works
 * alike on all servers, whether a right is on columns, tables or the database, or comes by a role.
 * One statement for each right that a release has added. */
static const struct probe workers[] = {
    {"INSERT on audit", "INSERT INTO audit SELECT * FROM audit WHERE FALSE"},
    {"INSERT on machine_usage",
     "INSERT INTO machine_usage SELECT * FROM machine_usage WHERE FALSE"},
    {"UPDATE on machine_usage", "UPDATE machine_usage SET samples = samples WHERE FALSE"},
    {"INSERT on fleet_usage", "INSERT INTO fleet_usage SELECT * FROM fleet_usage WHERE FALSE"},
    {"UPDATE on fleet_usage", "UPDATE fleet_usage SET samples = samples WHERE FALSE"},
    {"UPDATE on fleet_looks", "UPDATE fleet_looks SET slot_at = slot_at WHERE FALSE"},
    {"UPDATE on machines", "UPDATE machines SET usage_now = usage_now WHERE FALSE"},
    {"UPDATE on sessions", "UPDATE sessions SET last_activity_at = last_activity_at WHERE FALSE"},
    {"UPDATE on commands", "UPDATE commands SET exit_code = exit_code WHERE FALSE"},
    {NULL, NULL},
};

static const struct probe operators[] = {
    {"INSERT on audit", "INSERT INTO audit SELECT * FROM audit WHERE FALSE"},
    {"DELETE on audit", "DELETE FROM audit WHERE FALSE"},
    {"DELETE on machine_usage", "DELETE FROM machine_usage WHERE FALSE"},
    {"DELETE on fleet_usage", "DELETE FROM fleet_usage WHERE FALSE"},
    {"INSERT on machines", "INSERT INTO machines SELECT * FROM machines WHERE FALSE"},
    {"DELETE on commands", "DELETE FROM commands WHERE FALSE"},
    {NULL, NULL},
};

static enum err try(struct db *db, void *context, struct error *e)
{
    return db_text(db, context, e);
}

static bool refused(const struct error *e)
{
    return e->db_number == ER_TABLEACCESS_DENIED_ERROR ||
           e->db_number == ER_COLUMNACCESS_DENIED_ERROR || e->db_number == ER_DBACCESS_DENIED_ERROR;
}

enum err schema_check_rights(struct db *db, enum rights rights, const char **missing,
                             struct error *e)
{
    const struct probe *probe = rights == RIGHTS_WORKER ? workers : operators;
    enum err err = ERR_OK;

    *missing = NULL;
    for (; !err && !*missing && probe->right; probe++) {
        struct error why = {0};
        err = db_run(db, DB_READ, try, (void *)(uintptr_t)probe->sql, &why);
        if (err && refused(&why)) {
            *missing = probe->right;
            err = ERR_OK;
        } else if (err ==
                   ERR_DB_BUSY) { /* the binary log is by statement, but the right is there */
            err = ERR_OK;
        } else if (err && e) {
            *e = why;
        }
    }
    return err;
}
