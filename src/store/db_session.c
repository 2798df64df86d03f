/* SPDX-License-Identifier: MIT */
/* Session variables. A server's settings are the defaults of each session, and its init_connect may
 * change them again; so a setting that a DBA made for another application could make our statements
 * fail, truncate data or read whole tables. After connecting, one statement sets every variable
 * that could change what ours do. Variables that only cost time, such as buffers and optimizer
 * hints, are left to the server's operator. */
#include "config.h"
#include "store/db_mysql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/xalloc.h"

#define UNLIMITED "18446744073709551615"

static const struct variable {
    const char *name;
    const char *value; /* NULL: computed by lock_wait */
} variables[] = {
    {"alter_algorithm", "'DEFAULT'"}, /* INSTANT would refuse most migrations */
    {"autocommit", "1"},
    {"completion_type", "0"}, /* a COMMIT must not begin a transaction or close the connection */
    {"in_predicate_conversion_threshold", "0"}, /* do not turn IN lists into tables */
    {"innodb_lock_wait_timeout", "2"},
    {"lock_wait_timeout", NULL},
    {"max_execution_time", "0"}, /* db.read_timeout bounds a statement */
    {"max_join_size", UNLIMITED},
    {"max_session_mem_used", "9223372036854775807"},
    {"max_sort_length", "1024"}, /* with less, times with a common beginning would not be sorted */
    {"max_statement_time", "0"},
    {"old_mode", "''"},
    {"optimizer_max_sel_args", "16000"}, /* with 0, index ranges are read past their ends */
    {"query_cache_type", "0"},
    {"sort_buffer_size", "2097152"}, /* too small for a row, it is an error */
    {"sql_auto_is_null", "0"},
    {"sql_big_selects", "1"},   /* after max_join_size, which sets it */
    {"sql_buffer_result", "0"}, /* otherwise a LIMIT reads all rows */
    {"sql_if_exists", "0"},     /* it makes CREATE TABLE IF NOT EXISTS fail when the table exists */
    {"sql_mode", "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"},
    {"sql_safe_updates", "0"},
    {"sql_select_limit", UNLIMITED},
    {"time_zone", "'+00:00'"},
    {"timestamp", "0"}, /* use the clock */
    {"tmp_disk_table_size", UNLIMITED},
    {"transaction_isolation", "'READ-COMMITTED'"}, /* MySQL 5.7, MariaDB 11 */
    {"transaction_read_only", "0"},
    {"tx_isolation", "'READ-COMMITTED'"}, /* the same for older servers */
    {"tx_read_only", "0"},
    {"unique_checks", "1"},
    {"wait_timeout", "28800"},
    {"wsrep_dirty_reads", "0"},
    /* Galera: a read waits until the node has all earlier commits of every node. */
    {"wsrep_sync_wait", "1"},
};

enum { VARIABLES = sizeof variables / sizeof *variables };

/* How long a statement waits for a locked table, such as during a backup's FLUSH TABLES WITH READ
 * LOCK. All attempts together wait for db.read_timeout at most. */
static long lock_wait(const struct db *db)
{
    long wait = db->settings->db.read_timeout / DB_ATTEMPTS;

    return wait ? wait : 1;
}

static char *compose(const struct db *db, const bool left_out[VARIABLES])
{
    char *sql = NULL;
    size_t length = 0;
    FILE *out = xmemstream(&sql, &length);

    fputs("SET NAMES utf8mb4 COLLATE utf8mb4_general_ci", out);
    for (size_t i = 0; i < VARIABLES; i++) {
        const struct variable *v = &variables[i];
        if (left_out[i])
            continue;
        if (v->value)
            fprintf(out, ", SESSION %s = %s", v->name, v->value);
        else
            fprintf(out, ", SESSION %s = %ld", v->name, lock_wait(db));
    }
    xfclose(out);
    return sql;
}

enum { UNKNOWN_VARIABLE = 1193 };

/* Other refusals which only mean that the variable cannot be changed. */
static const struct {
    const char *name;
    unsigned number;
} fixed[] = {
    {"query_cache_type", 1651}, /* the cache is switched off */
    {"timestamp", 1227},        /* MariaDB's secure_timestamp: the clock cannot be stopped */
    {"timestamp", 1290},
};

static bool can_do_without(const char *name, unsigned number, const char *message)
{
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (fixed[i].number == number && strcmp(fixed[i].name, name) == 0)
            return true;
    }
    return number == UNKNOWN_VARIABLE && strstr(message, name);
}

/* Leaves out the variable that the server has refused. False: the error is about something else. */
static bool leave_out(bool left_out[VARIABLES], unsigned number, const char *message)
{
    bool changed = false;

    for (size_t i = 0; i < VARIABLES; i++) {
        bool refused = !left_out[i] && can_do_without(variables[i].name, number, message);
        changed |= refused;
        left_out[i] |= refused;
    }
    return changed;
}

/* A server reports one unknown variable at a time. */
static enum err set_variables(struct db *db, struct error *e)
{
    bool left_out[VARIABLES] = {false};

    for (;;) {
        char *sql = compose(db, left_out);
        enum err err = db_query(db, sql, e);
        free(sql);
        if (!err || !leave_out(left_out, mysql_errno(db->mysql), mysql_error(db->mysql)))
            return err;
    }
}

bool db_flag(const char *text)
{
    return text && strcmp(text, "0") != 0 && strcasecmp(text, "OFF") != 0;
}

/* A statement with one command of the greatest length, every byte escaped, needs less. */
enum { PACKET_MIN = 1 << 20 };

/* A replica is unusable, even for reading: its rows may be older than the request. */
static enum err check_server(struct db *db, struct error *e)
{
    enum err err = db_text(db,
                           "SELECT @@GLOBAL.read_only, @@GLOBAL.innodb_read_only, "
                           "@@GLOBAL.max_allowed_packet",
                           e);
    const struct cell *row = db_row(db);

    db->read_only = !row || db_flag(row[0].text) || db_flag(row[1].text);
    db->packet = row ? cell_int(&row[2]) : 0;
    if (!err && db->read_only)
        err = error_set(e, ERR_DB_AWAY, "%s: the server is read-only", db_host(db));
    else if (!err && db->packet < PACKET_MIN)
        err = error_set(e, ERR_DB_AWAY, "%s: max_allowed_packet is less than %d", db_host(db),
                        PACKET_MIN);
    return err;
}

enum err db_set_session(struct db *db, struct error *e)
{
    enum err err = set_variables(db, e);

    return err ? err : check_server(db, e);
}
