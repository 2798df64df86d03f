/* SPDX-License-Identifier: MIT */
/* What a session must not take over from its server: a server's variables are the defaults of each
 * session, and its init_connect changes them once more. Whatever could change what a statement of
 * ours does is set here, by one statement after connecting, and what would let it read without
 * bounds. What only costs time (buffers, hints to the optimizer) is left to whoever runs the
 * server. */
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
    const char *value; /* NULL: how long to wait for a table; see lock_wait */
} variables[] = {
    {"alter_algorithm", "'DEFAULT'"}, /* INSTANT would refuse most of a migration */
    {"autocommit", "1"},
    {"completion_type", "0"}, /* a COMMIT begins no transaction, and ends no connection */
    {"in_predicate_conversion_threshold", "0"}, /* a list is not made a table */
    {"innodb_lock_wait_timeout", "2"},
    {"lock_wait_timeout", NULL},
    {"max_execution_time", "0"}, /* db.read_timeout bounds a statement */
    {"max_join_size", UNLIMITED},
    {"max_session_mem_used", "9223372036854775807"},
    {"max_sort_length", "1024"}, /* less, and times that are alike are in no order */
    {"max_statement_time", "0"},
    {"old_mode", "''"},
    {"optimizer_max_sel_args", "16000"}, /* 0, and a range of an index is read past its end */
    {"query_cache_type", "0"},
    {"sort_buffer_size", "2097152"}, /* too small for one row, it is an error */
    {"sql_auto_is_null", "0"},
    {"sql_big_selects", "1"},   /* after max_join_size, which sets it */
    {"sql_buffer_result", "0"}, /* else a LIMIT reads all that there is */
    {"sql_if_exists", "0"},     /* it makes CREATE TABLE IF NOT EXISTS fail on one that does */
    {"sql_mode", "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"},
    {"sql_safe_updates", "0"},
    {"sql_select_limit", UNLIMITED},
    {"time_zone", "'+00:00'"},
    {"timestamp", "0"}, /* the clock goes on */
    {"tmp_disk_table_size", UNLIMITED},
    {"transaction_isolation", "'READ-COMMITTED'"}, /* MySQL 5.7, MariaDB 11 */
    {"transaction_read_only", "0"},
    {"tx_isolation", "'READ-COMMITTED'"}, /* before these */
    {"tx_read_only", "0"},
    {"unique_checks", "1"},
    {"wait_timeout", "28800"},
    {"wsrep_dirty_reads", "0"},
    /* Galera: to read waits until the node has all that was committed before, on any node. */
    {"wsrep_sync_wait", "1"},
};

enum { VARIABLES = sizeof variables / sizeof *variables };

/* How long a statement waits for a table that is locked, as by a backup's FLUSH TABLES WITH READ
 * LOCK: all attempts together for no longer than db.read_timeout. */
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

/* Other refusals that only say that a variable has its value for good. */
static const struct {
    const char *name;
    unsigned number;
} fixed[] = {
    {"query_cache_type", 1651}, /* the cache is off since the start */
    {"timestamp", 1227},        /* MariaDB's secure_timestamp: nobody can have stopped the clock */
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

/* Leaves out what the server has refused. False when the refusal is about something else. */
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

/* A server tells of one variable at a time that it does not know it. */
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

/* A statement with one report, and a command of which each byte is escaped, fits into less. */
enum { PACKET_MIN = 1 << 20 };

/* A replica is of no use, not even to read from: its rows may be older than the request. */
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
