/* SPDX-License-Identifier: MIT */
/* Connects: tries the servers of db.host in turn, and sets up the session. */
#include "config.h"
#include "store/db_mysql.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "common/address.h"

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
        err = db_set_session(db, e);
    }
out:
    address_free_db(&address);
    return err;
}

static enum err read_password(const struct settings *settings, char **out, struct error *e)
{
    *out = settings->db.password ? xstrdup(settings->db.password) : NULL;
    if (*out || !*settings->db.password_file)
        return ERR_OK;
    return settings_read_password(settings->db.password_file, out, e) ? ERR_DB_AWAY : ERR_OK;
}

/* How often each server hung, for all threads of the process. Two servers may share a place, which
 * costs a needless move at most. */
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
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return err;
}
