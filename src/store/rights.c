/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/rights.h"

#include <mysqld_error.h>

struct probe {
    const char *right, *sql; /* NULL: the last */
};

/* An INSERT of no rows needs the right all the same, as does an UPDATE or a DELETE. */
static const struct probe worker[] = {
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

static const struct probe operator[] = {
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

enum err rights_check(struct db *db, enum rights rights, const char **missing, struct error *e)
{
    const struct probe *probe = rights == RIGHTS_WORKER ? worker : operator;
    enum err err = ERR_OK;

    *missing = NULL;
    for (; !err && !*missing && probe->right; probe++) {
        struct error why = {0};
        err = db_run(db, DB_READ, try, (void *)(uintptr_t)probe->sql, &why);
        if (err && refused(&why)) {
            *missing = probe->right;
            err = ERR_OK;
        } else if (err == ERR_DB_BUSY) { /* a binary log by statement: the right is there */
            err = ERR_OK;
        } else if (err && e) {
            *e = why;
        }
    }
    return err;
}
