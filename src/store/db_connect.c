/* SPDX-License-Identifier: MIT */
/* Connects to the servers of db.host in turn, and makes the session independent of its server.
 *
 * A server's settings are the defaults of each session, and its init_connect may change them again;
 * so a setting that a DBA made for another application could make our statements fail, truncate
 * data or read whole tables. init_connect runs after the handshake, so options of the client
 * library come too early: after connecting, one statement sets every variable that could change
 * what ours do. The server's answer says which of them it does not know, so no version of MySQL or
 * MariaDB has to be told from another. Variables that only cost time, such as buffers and optimizer
 * hints, are left to the server's operator. */
#include "config.h"
#include "store/db_mysql.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/xalloc.h"
#include "common/address.h"

/* --- the session ------------------------------------------------------------------------------ */

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

/* Returns how long a statement waits for a locked table, such as during a backup's FLUSH TABLES
 * WITH READ LOCK. All attempts together wait for db.read_timeout at most. */
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

static enum err set_session(struct db *db, struct error *e)
{
    enum err err = set_variables(db, e);

    return err ? err : check_server(db, e);
}

/* --- connecting ------------------------------------------------------------------------------- */

static void set_timeouts(MYSQL *mysql, const struct settings *settings)
{
    unsigned connect = (unsigned)settings->db.connect_timeout;
    unsigned read = (unsigned)settings->db.read_timeout;

    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &read);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &read);
}

/* MariaDB's Connector/C falls back to plain text unless it verifies the certificate; Oracle's
 * library has a mode for that since 5.7. connect_to checks the result as well. */
static void set_tls(MYSQL *mysql, const struct settings *settings)
{
    bool verify = settings->db.tls == TLS_VERIFY;

    if (verify && *settings->db.tls_ca)
        mysql_options(mysql, MYSQL_OPT_SSL_CA, settings->db.tls_ca);
#if HAVE_DECL_MYSQL_OPT_SSL_MODE
    unsigned mode = verify ? SSL_MODE_VERIFY_IDENTITY : SSL_MODE_PREFERRED;
    mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode);
#else
    my_bool on = verify;
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
#if HAVE_DECL_MYSQL_OPT_SSL_ENFORCE
    if (verify)
        mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &on);
#endif
#endif
}

static enum err connect_to(struct db *db, const char *host, const char *password, struct error *e)
{
    const struct settings *settings = db->settings;
    struct db_address address;
    enum err err = address_parse_db(host, &address, e);

    if (err)
        goto out;
    db->mysql = mysql_init(NULL);
    mysql_options(db->mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    set_timeouts(db->mysql, settings);
    set_tls(db->mysql, settings);
    if (address.port) { /* otherwise the library uses its UNIX socket for localhost */
        unsigned tcp = MYSQL_PROTOCOL_TCP;
        mysql_options(db->mysql, MYSQL_OPT_PROTOCOL, &tcp);
    }
    if (!mysql_real_connect(db->mysql, address.host, settings->db.user, password, settings->db.name,
                            address.port, address.socket, 0)) {
        err = error_set(e, ERR_DB_AWAY, "%s: %s", host, mysql_error(db->mysql));
        if (e)
            e->db_number = mysql_errno(db->mysql);
    } else if (settings->db.tls == TLS_VERIFY && !mysql_get_ssl_cipher(db->mysql)) {
        err = error_set(e, ERR_DB_AWAY, "%s: the server offers no TLS", host);
    } else {
        err = set_session(db, e);
    }
out:
    address_free_db(&address);
    return err;
}

/* Reads the file for each connection, so that a changed password needs no restart. */
static enum err read_password(const struct settings *settings, char **out, struct error *e)
{
    *out = settings->db.password ? xstrdup(settings->db.password) : NULL;
    if (*out || !*settings->db.password_file)
        return ERR_OK;
    return settings_read_password(settings->db.password_file, out, e) ? ERR_DB_AWAY : ERR_OK;
}

/* Counts how often each server hung, for all threads of the process. Otherwise each thread would
 * wait for db.read_timeout itself before it left the server. Only a thread that waited that long
 * reports it: one connection that a firewall has cut does not make a whole worker leave a healthy
 * server. Two servers may share a place, which costs a needless move at most. */
enum { PLACES = 16 };
static atomic_uint hung[PLACES];

void db_turn_away(struct db *db)
{
    db_disconnect(db);
    db->host = (db->host + 1) % db->settings->db.host.count;
}

void db_report_hung(const struct db *db)
{
    atomic_fetch_add(&hung[db->host % PLACES], 1);
}

void db_leave_hung(struct db *db)
{
    if (db->mysql && db->settings->db.host.count > 1 &&
        db->hung != atomic_load(&hung[db->host % PLACES]))
        db_turn_away(db);
}

enum err db_connect(struct db *db, struct error *e)
{
    if (db->mysql)
        return ERR_OK;

    const struct strlist *hosts = &db->settings->db.host;
    char *password = NULL;
    enum err err = read_password(db->settings, &password, e);

    for (size_t tried = 0; !err && tried < hosts->count; tried++) {
        db->hung = atomic_load(&hung[db->host % PLACES]);
        err = connect_to(db, hosts->items[db->host], password, e);
        if (!err) {
            db->trouble.reconnects += db->connected;
            db->connected = true;
            break;
        }
        db_turn_away(db);
        if (err == ERR_DB_AWAY && tried + 1 < hosts->count)
            err = ERR_OK;
    }
    if (password) /* a core dump should not contain it */
        explicit_bzero(password, strlen(password));
    free(password);
    return err;
}
