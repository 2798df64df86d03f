/* SPDX-License-Identifier: MIT */
/* Transactions, and what an error number means. */
#include "config.h"
#include "store/db_mysql.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <mysqld_error.h>

#include "base/log.h"
#include "base/xalloc.h"

enum { ATTEMPTS = 5 };

void db_library_init(void)
{
    mysql_library_init(0, NULL, NULL);
}

void db_library_end(void)
{
    mysql_library_end();
}

struct db *db_new(const struct settings *settings)
{
    struct db *db = xcalloc(1, sizeof *db);

    mysql_thread_init();
    db->settings = settings;
    return db;
}

void db_disconnect(struct db *db)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        prepared_free(db->prepared[i]);
        db->prepared[i] = NULL;
    }
    if (db->mysql)
        mysql_close(db->mysql);
    db->mysql = NULL;
}

void db_free(struct db *db)
{
    if (!db)
        return;
    db_disconnect(db);
    free(db);
    mysql_thread_end();
}

bool db_connected(const struct db *db)
{
    return db->mysql != NULL;
}

const char *db_host(const struct db *db)
{
    return db->settings->db.host.items[db->host];
}

const struct settings *db_settings(const struct db *db)
{
    return db->settings;
}

const char *db_cipher(const struct db *db)
{
    return db->mysql ? mysql_get_ssl_cipher(db->mysql) : NULL;
}

/* --- errors ---------------------------------------------------------------------------------- */

/* Server errors that have no name in every client library's headers. */
enum {
    SERVER_CONNECTION_KILLED = 1927, /* MariaDB */
    SERVER_IDLE_DISCONNECT = 4031,   /* MySQL 8.0.24 */
    SERVER_RECORD_CHANGED = 1020,    /* Galera, and snapshot isolation of MariaDB 11 */
    SERVER_READ_ONLY = 1290,
    SERVER_READ_ONLY_MODE = 1836,
    SERVER_NODE_NOT_READY = 1047, /* Galera: WSREP has not yet prepared node */
    CLIENT_ERROR_MIN = 2000,      /* the client library's own: the connection is of no use */
    CLIENT_ERROR_MAX = 2999
};

static const struct {
    unsigned number;
    enum err err;
} error_numbers[] = {
    {ER_SERVER_SHUTDOWN, ERR_DB_AWAY},
    {ER_UNKNOWN_STMT_HANDLER, ERR_DB_AWAY}, /* another connection, behind a proxy */
    {SERVER_READ_ONLY, ERR_DB_AWAY},        /* the primary is another one now */
    {SERVER_READ_ONLY_MODE, ERR_DB_AWAY},
    {ER_CON_COUNT_ERROR, ERR_DB_AWAY},
    {ER_ERROR_DURING_COMMIT, ERR_DB_AWAY}, /* Galera: the node is cut off from the others */
    {SERVER_CONNECTION_KILLED, ERR_DB_AWAY},
    {SERVER_IDLE_DISCONNECT, ERR_DB_AWAY},
    {SERVER_NODE_NOT_READY, ERR_DB_AWAY},
    {ER_LOCK_DEADLOCK, ERR_DB_CONFLICT},
    {ER_LOCK_WAIT_TIMEOUT, ERR_DB_CONFLICT},
    {SERVER_RECORD_CHANGED, ERR_DB_CONFLICT},
    {ER_NO_SUCH_TABLE, ERR_DB_SCHEMA},
    {ER_BAD_FIELD_ERROR, ERR_DB_SCHEMA},
};

enum err db_error(unsigned number, const char *message, struct error *e)
{
    bool client = number >= CLIENT_ERROR_MIN && number <= CLIENT_ERROR_MAX;
    enum err err = client ? ERR_DB_AWAY : ERR_DB;

    for (size_t i = 0; i < sizeof error_numbers / sizeof *error_numbers; i++) {
        if (error_numbers[i].number == number)
            err = error_numbers[i].err;
    }
    error_set(e, err, "database error %u: %s", number, message);
    if (e)
        e->db_number = number;
    return err;
}

enum err db_query(struct db *db, const char *sql, struct error *e)
{
    if (mysql_real_query(db->mysql, sql, strlen(sql)))
        return db_error(mysql_errno(db->mysql), mysql_error(db->mysql), e);
    return ERR_OK;
}

/* --- running --------------------------------------------------------------------------------- */

enum err db_script(struct db *db, const char *sql, struct error *e)
{
    mysql_set_server_option(db->mysql, MYSQL_OPTION_MULTI_STATEMENTS_ON);
    enum err err = db_query(db, sql, e);
    int more = 0;

    while (!err && more == 0) {
        MYSQL_RES *result = mysql_store_result(db->mysql);
        if (result)
            mysql_free_result(result);
        more = mysql_next_result(db->mysql);
        if (more > 0)
            err = db_error(mysql_errno(db->mysql), mysql_error(db->mysql), e);
    }
    mysql_set_server_option(db->mysql, MYSQL_OPTION_MULTI_STATEMENTS_OFF);
    return err;
}

static time_t seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* *hung: the server was waited for in vain. */
static enum err run_once(struct db *db, enum db_mode mode, db_body *body, void *context, bool *hung,
                         struct error *e)
{
    enum err err = db_connect(db, e);
    time_t began = seconds_now();

    if (!err && mode == DB_WRITE)
        err = db_query(db, "START TRANSACTION", e);
    if (!err)
        err = body(db, context, e);
    if (!err && mode == DB_WRITE)
        err = db_query(db, "COMMIT", e);
    bool lost =
        err && db->mysql && (err == ERR_DB_AWAY || (mode == DB_WRITE && mysql_rollback(db->mysql)));
    *hung = lost && seconds_now() - began >= db->settings->db.read_timeout;
    if (*hung)
        db_report_hung(db);
    if (lost)
        db_turn_away(db);
    return err;
}

/* Transactions that were in each other's way should not meet again. */
static void pause_at_random(int attempt)
{
    unsigned dice = 0;
    ssize_t got = getrandom(&dice, sizeof dice, 0);
    struct timespec pause = {.tv_nsec = dice % (unsigned)(attempt * 10000000)};

    (void)got;
    nanosleep(&pause, NULL);
}

enum err db_run(struct db *db, enum db_mode mode, db_body *body, void *context, struct error *e)
{
    enum err err = ERR_OK;

    for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
        db_leave_hung(db);
        bool was_connected = db->mysql != NULL;
        bool hung = false;
        err = run_once(db, mode, body, context, &hung, e);
        /* A statement that timed out would only time out again on the same server. */
        bool elsewhere = db->settings->db.host.count > 1 || !hung;
        bool lost = err == ERR_DB_AWAY && was_connected && elsewhere;
        if (err != ERR_DB_CONFLICT && !lost)
            break;
        log_event(LEVEL_INFO, "db_retry", "attempt=%d error=%s detail=\"%s\"", attempt,
                  error_info(err)->name, e->detail);
        if (err == ERR_DB_CONFLICT)
            pause_at_random(attempt);
    }
    return err;
}

enum err db_text(struct db *db, const char *sql, row_fn *row, void *context, struct error *e)
{
    enum err err = db_query(db, sql, e);
    if (err)
        return err;

    MYSQL_RES *result = mysql_store_result(db->mysql);
    if (!result && mysql_errno(db->mysql))
        return db_error(mysql_errno(db->mysql), mysql_error(db->mysql), e);
    if (!result) /* it was no SELECT */
        return ERR_OK;
    unsigned count = mysql_num_fields(result);
    struct cell *cells = xcalloc(count, sizeof *cells);
    for (MYSQL_ROW values; (values = mysql_fetch_row(result));) {
        const unsigned long *lengths = mysql_fetch_lengths(result);
        for (unsigned i = 0; i < count; i++)
            cells[i] = (struct cell){values[i], lengths[i]};
        row(context, cells);
    }
    free(cells);
    mysql_free_result(result);
    return ERR_OK;
}
