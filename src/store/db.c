/* SPDX-License-Identifier: MIT */
/* Connecting, transactions, and what an error number means. */
#include "config.h"
#include "store/db_mysql.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <mysqld_error.h>

#include "base/log.h"
#include "base/xalloc.h"

enum { ATTEMPTS = 5, PASSWORD_MAX = 4096 };

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

static void disconnect(struct db *db)
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
    disconnect(db);
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
    return error_set(e, err, "database error %u: %s", number, message);
}

static enum err query(struct db *db, const char *sql, struct error *e)
{
    if (mysql_real_query(db->mysql, sql, strlen(sql)))
        return db_error(mysql_errno(db->mysql), mysql_error(db->mysql), e);
    return ERR_OK;
}

/* --- connecting ------------------------------------------------------------------------------ */

struct address {
    char *host; /* NULL for a UNIX socket */
    char *socket;
    unsigned port; /* 0: the default */
};

/* HOST, HOST:PORT, [IPV6]:PORT or /path/of/socket. */
static enum err parse_address(const char *text, struct address *out, struct error *e)
{
    *out = (struct address){0};
    if (*text == '/') {
        out->socket = xstrdup(text);
        return ERR_OK;
    }

    const char *host = text;
    const char *end = *text == '[' ? strchr(text, ']') : strchr(text, ':');
    if (*text == '[') {
        if (!end)
            return error_set(e, ERR_DB_AWAY, "db.host: no ] in %s", text);
        host++;
    }
    out->host = end ? xstrndup(host, (size_t)(end - host)) : xstrdup(host);
    const char *port = end ? end + (*end == ']') : "";
    if (*port == ':') {
        char *rest = NULL;
        long number = strtol(port + 1, &rest, 10);
        if (number < 1 || number > 65535 || *rest)
            return error_set(e, ERR_DB_AWAY, "db.host: no port number in %s", text);
        out->port = (unsigned)number;
    } else if (*port) {
        return error_set(e, ERR_DB_AWAY, "db.host: not HOST, HOST:PORT or a path: %s", text);
    }
    return ERR_OK;
}

static void set_timeouts(MYSQL *mysql, const struct settings *settings)
{
    unsigned connect = (unsigned)settings->db.connect_timeout;
    unsigned read = (unsigned)settings->db.read_timeout;

    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &read);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &read);
}

/* Connector/C falls back to plain text unless the certificate is verified; Oracle's library has a
 * mode for it since 5.7. connect_to checks the outcome as well. */
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

static const struct {
    const char *sql;
    bool optional; /* not every server has the variable */
} session_settings[] = {
    {"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", false},
    {"SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', "
     "innodb_lock_wait_timeout = 2",
     false},
    /* Galera: to read waits until the node has all that was committed before, on any node. */
    {"SET SESSION wsrep_sync_wait = 1", true},
};

static enum err set_session(struct db *db, struct error *e)
{
    for (size_t i = 0; i < sizeof session_settings / sizeof *session_settings; i++) {
        enum err err = query(db, session_settings[i].sql, e);
        bool unknown = err && mysql_errno(db->mysql) == ER_UNKNOWN_SYSTEM_VARIABLE;
        if (err && !(unknown && session_settings[i].optional))
            return err;
    }
    return ERR_OK;
}

static void flag_row(void *context, const struct cell *cells)
{
    *(bool *)context = cell_int(&cells[0]) != 0;
}

/* A replica is of no use, not even to read from: its rows may be older than the request. */
static enum err refuse_replica(struct db *db, const char *host, struct error *e)
{
    bool read_only = false;
    enum err err = db_text(db, "SELECT @@GLOBAL.read_only OR @@GLOBAL.innodb_read_only", flag_row,
                           &read_only, e);

    if (!err && read_only)
        err = error_set(e, ERR_DB_AWAY, "%s: the server is read-only", host);
    return err;
}

static enum err connect_to(struct db *db, const char *host, const char *password, struct error *e)
{
    const struct settings *settings = db->settings;
    struct address address;
    enum err err = parse_address(host, &address, e);

    if (err)
        goto out;
    db->mysql = mysql_init(NULL);
    mysql_options(db->mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    set_timeouts(db->mysql, settings);
    set_tls(db->mysql, settings);
    if (address.port) { /* else the library takes localhost for its UNIX socket */
        unsigned tcp = MYSQL_PROTOCOL_TCP;
        mysql_options(db->mysql, MYSQL_OPT_PROTOCOL, &tcp);
    }
    if (!mysql_real_connect(db->mysql, address.host, settings->db.user, password, settings->db.name,
                            address.port, address.socket, 0)) {
        error_set(e, ERR_DB_AWAY, "%s: %s", host, mysql_error(db->mysql));
        err = ERR_DB_AWAY;
    } else if (settings->db.tls == TLS_VERIFY && !mysql_get_ssl_cipher(db->mysql)) {
        err = error_set(e, ERR_DB_AWAY, "%s: the server offers no TLS", host);
    } else if (!(err = refuse_replica(db, host, e))) {
        err = set_session(db, e);
    }
out:
    if (err)
        disconnect(db);
    free(address.host);
    free(address.socket);
    return err;
}

static enum err read_password(const struct settings *settings, char **out, struct error *e)
{
    *out = NULL;
    if (!*settings->db.password_file)
        return ERR_OK;
    size_t length = 0;
    if (conf_read_secret(settings->db.password_file, PASSWORD_MAX, out, &length, e))
        return ERR_DB_AWAY;
    (*out)[strcspn(*out, "\r\n")] = '\0';
    return ERR_OK;
}

enum err db_connect(struct db *db, struct error *e)
{
    if (db->mysql)
        return ERR_OK;

    const struct strlist *hosts = &db->settings->db.host;
    char *password = NULL;
    enum err err = read_password(db->settings, &password, e);

    for (size_t tried = 0; !err && tried < hosts->count; tried++) {
        err = connect_to(db, hosts->items[db->host], password, e);
        if (!err)
            break;
        db->host = (db->host + 1) % hosts->count;
        if (err == ERR_DB_AWAY && tried + 1 < hosts->count)
            err = ERR_OK;
    }
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return err;
}

/* --- running --------------------------------------------------------------------------------- */

enum err db_script(struct db *db, const char *sql, struct error *e)
{
    mysql_set_server_option(db->mysql, MYSQL_OPTION_MULTI_STATEMENTS_ON);
    enum err err = query(db, sql, e);
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

static enum err run_once(struct db *db, enum db_mode mode, db_body *body, void *context,
                         struct error *e)
{
    enum err err = db_connect(db, e);

    if (!err && mode == DB_WRITE)
        err = query(db, "START TRANSACTION", e);
    if (!err)
        err = body(db, context, e);
    if (!err && mode == DB_WRITE)
        err = query(db, "COMMIT", e);
    if (err == ERR_DB_AWAY) {
        disconnect(db);
        db->host = (db->host + 1) % db->settings->db.host.count;
    } else if (err && mode == DB_WRITE && db->mysql && mysql_rollback(db->mysql)) {
        disconnect(db);
    }
    return err;
}

static time_t seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
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
        bool was_connected = db->mysql != NULL;
        time_t began = seconds_now();
        err = run_once(db, mode, body, context, e);
        /* A statement that timed out would only time out again on the same server. */
        bool elsewhere = db->settings->db.host.count > 1 ||
                         seconds_now() - began < db->settings->db.read_timeout;
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
    enum err err = query(db, sql, e);
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
