/* SPDX-License-Identifier: MIT */
/* Transactions and their repetition, error numbers, fetched rows. */
#include "config.h"
#include "store/db_mysql.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/xalloc.h"

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
    db_forget_rows(db);
    db_disconnect(db);
    free(db);
    mysql_thread_end();
}

bool db_connected(const struct db *db)
{
    return db->mysql != NULL;
}

struct db_trouble db_take_trouble(struct db *db)
{
    struct db_trouble trouble = db->trouble;

    db->trouble = (struct db_trouble){0};
    return trouble;
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

/* --- errors ----------------------------------------------------------------------------------- */

enum { CLIENT_ERROR_MIN = 2000, CLIENT_ERROR_MAX = 2999 }; /* the client library's own */

/* The meaning of errors for the request: another server may do (AWAY), the same server may do later
 * (BUSY), the same transaction may do again (CONFLICT), the schema is too old, or these data will
 * never be stored. Agents rely on the last being told apart: they keep a report that gets 503, and
 * give up one that gets 400. By number, since most lack a name in some client library's headers. */
static const struct {
    unsigned number;
    enum err err;
} error_numbers[] = {
    /* This server or connection is unusable; another may work. */
    {1040, ERR_DB_AWAY}, /* too many connections */
    {1047, ERR_DB_AWAY}, /* Galera: WSREP has not yet prepared node */
    {1053, ERR_DB_AWAY}, /* shutdown */
    {1152, ERR_DB_AWAY}, /* connection aborted */
    {1180, ERR_DB_AWAY}, /* error during COMMIT; Galera: the node is cut off */
    {1184, ERR_DB_AWAY}, /* connection aborted: init_connect failed */
    {1203, ERR_DB_AWAY}, /* too many connections of this account */
    {1243, ERR_DB_AWAY}, /* unknown statement: another connection, behind a proxy */
    {1290, ERR_DB_AWAY}, /* read-only: another server is the primary now */
    {1615, ERR_DB_AWAY}, /* a statement needs to be prepared again, and again */
    {1792, ERR_DB_AWAY}, /* read-only transaction */
    {1836, ERR_DB_AWAY}, /* read-only mode */
    {1874, ERR_DB_AWAY}, /* InnoDB is read-only */
    {1927, ERR_DB_AWAY}, /* MariaDB: connection was killed */
    {3032, ERR_DB_AWAY}, /* MySQL: offline mode */
    {3168, ERR_DB_AWAY}, /* MySQL: server is not available */
    {4031, ERR_DB_AWAY}, /* MySQL: disconnected for inactivity */

    /* The server lacks something that it may have again later. */
    {1021, ERR_DB_BUSY}, /* disk full */
    {1037, ERR_DB_BUSY}, /* out of memory */
    {1038, ERR_DB_BUSY}, /* out of memory to sort */
    {1041, ERR_DB_BUSY}, /* out of resources */
    {1114, ERR_DB_BUSY}, /* table full: so is the disk */
    {1135, ERR_DB_BUSY}, /* cannot create a thread */
    {1206, ERR_DB_BUSY}, /* too many locks */
    {1226, ERR_DB_BUSY}, /* the account's hourly limit is reached */
    {1317, ERR_DB_BUSY}, /* statement was killed */
    {1461, ERR_DB_BUSY}, /* too many prepared statements */
    {1637, ERR_DB_BUSY}, /* too many transactions */
    {1665, ERR_DB_BUSY}, /* the binary log is by statement: see vsayctl doctor */
    {1969, ERR_DB_BUSY}, /* MariaDB: max_statement_time */
    {3024, ERR_DB_BUSY}, /* MySQL: max_execution_time */
    {3989, ERR_DB_BUSY}, /* MySQL: the database is read-only */

    {1020, ERR_DB_CONFLICT}, /* record has changed: Galera, and snapshots of MariaDB 11 */
    {1205, ERR_DB_CONFLICT}, /* lock wait timeout */
    {1213, ERR_DB_CONFLICT}, /* deadlock */
    {1412, ERR_DB_CONFLICT}, /* table definition has changed */
    {1689, ERR_DB_CONFLICT}, /* MariaDB: wait for a lock was aborted */
    {3101, ERR_DB_CONFLICT}, /* Group Replication: rolled back at COMMIT */

    {1054, ERR_DB_SCHEMA}, /* unknown column */
    {1146, ERR_DB_SCHEMA}, /* no such table */

    /* A column refuses a value: it is too long, not in the column's character set, or fails a
     * constraint or trigger that an operator has added. */
    {1048, ERR_DB_DATA}, /* NULL */
    {1264, ERR_DB_DATA}, /* out of range */
    {1265, ERR_DB_DATA}, /* truncated */
    {1292, ERR_DB_DATA}, /* incorrect value */
    {1300, ERR_DB_DATA}, /* invalid string of a character set */
    {1366, ERR_DB_DATA}, /* incorrect string value */
    {1406, ERR_DB_DATA}, /* too long */
    {1452, ERR_DB_DATA}, /* a foreign key names no row */
    {1526, ERR_DB_DATA}, /* no partition takes it */
    {1644, ERR_DB_DATA}, /* SIGNAL of a trigger */
    {1690, ERR_DB_DATA}, /* number out of range */
    {3819, ERR_DB_DATA}, /* MySQL: CHECK constraint */
    {3988, ERR_DB_DATA}, /* MySQL: no such character in the other character set */
    {4025, ERR_DB_DATA}, /* MariaDB: CHECK constraint */
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

/* --- rows ------------------------------------------------------------------------------------- */

/* A row and its text are one allocation. Rows are always UTF-8, whatever is stored: a column may
 * have been made BLOB, or other programs may have written to it, and JSON must be valid all the
 * same. */
void db_keep_row(struct db *db, const struct cell *cells, size_t width)
{
    size_t size = sizeof(struct fetched) + width * sizeof *cells;

    for (size_t i = 0; i < width; i++)
        size += cells[i].text ? cells[i].length + 1 : 0;
    struct fetched *row = xcalloc(1, size);
    char *text = (char *)&row->cells[width];
    for (size_t i = 0; i < width; i++) {
        row->cells[i] = (struct cell){cells[i].text ? text : NULL, cells[i].length};
        if (!cells[i].text)
            continue;
        memcpy(text, cells[i].text, cells[i].length); /* xcalloc has put a NUL byte after it */
        utf8_repair(text, cells[i].length);
        text += cells[i].length + 1;
    }
    *(db->rows ? &db->last->next : &db->rows) = row;
    db->last = row;
}

const struct cell *db_row(struct db *db)
{
    struct fetched *next = db->current ? db->current->next : db->rows;

    if (!next)
        return NULL;
    db->current = next;
    return next->cells;
}

void db_forget_rows(struct db *db)
{
    while (db->rows) {
        struct fetched *next = db->rows->next;
        free(db->rows);
        db->rows = next;
    }
    db->current = NULL;
}

/* --- running ---------------------------------------------------------------------------------- */

/* Several statements in one text are allowed only here, so that text that slips into any other
 * statement cannot add one. */
static enum err db_script(struct db *db, const char *sql, struct error *e)
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

/* One attempt. *hung: the server did not answer within db.read_timeout. A connection whose
 * transaction cannot be rolled back is not used again: its next statements would be part of that
 * transaction. */
static enum err run_once(struct db *db, enum db_mode mode, db_body *body, void *context, bool *hung,
                         struct error *e)
{
    enum err err = db_connect(db, e);
    int64_t began = clock_ms();

    if (!err && mode == DB_WRITE)
        err = db_query(db, "START TRANSACTION", e);
    if (!err)
        err = body(db, context, e);
    db_forget_rows(db);
    if (!err && mode == DB_WRITE)
        err = db_query(db, "COMMIT", e);
    bool lost =
        err && db->mysql && (err == ERR_DB_AWAY || (mode == DB_WRITE && mysql_rollback(db->mysql)));
    *hung = lost && clock_ms() - began >= 1000 * (int64_t)db->settings->db.read_timeout;
    if (*hung)
        db_report_hung(db);
    if (lost)
        db_turn_away(db);
    return err;
}

/* Transactions that met in a conflict should not meet again: up to 10 ms more for each attempt. */
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

    for (int attempt = 1; attempt <= DB_ATTEMPTS; attempt++) {
        db_leave_hung(db);
        bool was_connected = db->mysql != NULL;
        bool hung = false;
        err = run_once(db, mode, body, context, &hung, e);
        if (err)
            db->trouble.errors[err]++;
        /* A statement that timed out would time out again on the same server. */
        bool elsewhere = db->settings->db.host.count > 1 || !hung;
        /* A connection that was made for this attempt and failed has tried all servers. */
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

enum err db_fetch_text(struct db *db, const char *sql, struct error *e)
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
        db_keep_row(db, cells, count);
    }
    free(cells);
    mysql_free_result(result);
    return ERR_OK;
}

enum err db_text(struct db *db, const char *sql, struct error *e)
{
    db_forget_rows(db);
    return db_fetch_text(db, sql, e);
}

/* --- SQL text in a db_run of its own ---------------------------------------------------------- */

struct text {
    const char *sql;
    char **value; /* receives the first value, if there is a row; NULL: several statements */
};

static enum err run_text(struct db *db, void *context, struct error *e)
{
    const struct text *text = context;

    if (!text->value)
        return db_script(db, text->sql, e);
    enum err err = db_text(db, text->sql, e);
    const struct cell *row = db_row(db);
    if (row && row[0].text) {
        free(*text->value);
        *text->value = xstrdup(row[0].text);
    }
    return err;
}

enum err db_run_script(struct db *db, const char *sql, struct error *e)
{
    return db_run(db, DB_READ, run_text, &(struct text){sql, NULL}, e);
}

enum err db_run_value(struct db *db, const char *sql, char **value, struct error *e)
{
    return db_run(db, DB_READ, run_text, &(struct text){sql, value}, e);
}
