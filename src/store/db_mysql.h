/* SPDX-License-Identifier: MIT */
/* Inside of db: shared by the files src/store/db*.c only. */
#ifndef STORE_DB_MYSQL_H
#define STORE_DB_MYSQL_H

#include <stdbool.h> /* MySQL 8.0's header takes it for granted */

#include <mysql.h>

#include "store/db.h"

#ifndef HAVE_MY_BOOL
typedef bool my_bool;
#endif

struct value value_text(const char *text); /* NULL is SQL NULL */
struct value value_uint(uint64_t number);

/* A statement prepared on the present connection. */
struct prepared;

/* A row that was fetched, with the text of its cells behind them. */
struct fetched {
    struct fetched *next;
    struct cell cells[];
};

struct db {
    const struct settings *settings;
    size_t host;    /* index into settings->db.host */
    unsigned hung;  /* how often it had been waited for in vain when this connection was made */
    MYSQL *mysql;   /* NULL: not connected */
    bool connected; /* it was, once */
    struct db_trouble trouble; /* that was not taken yet */
    bool read_only; /* the server is, as is its packet: bytes that a statement may have */
    int64_t packet;
    struct prepared *prepared[STATEMENT_COUNT];
    struct fetched *rows, *last, *told; /* of the last statement; up to where db_row told them */
};

enum { DB_ATTEMPTS = 5 }; /* to run a transaction that is in another's way */

void prepared_free(struct prepared *prepared);

/* Keeps a copy of a row for db_row. */
void db_keep_row(struct db *db, const struct cell *cells, size_t width);
void db_forget_rows(struct db *db);

/* Runs one statement as text, and keeps its rows after those that are there. */
enum err db_fetch_text(struct db *db, const char *sql, struct error *e);

/* Runs one statement as text, up to its result. */
enum err db_query(struct db *db, const char *sql, struct error *e);

/* Makes a new connection independent of its server's settings. ERR_DB_AWAY when the server can be
 * of no use: it is read-only, or takes no statement of 1 MiB. */
enum err db_set_session(struct db *db, struct error *e);

/* Whether a variable is on, which servers say as a number or a word: MariaDB 12's read_only is OFF,
 * ON, NO_LOCK or NO_LOCK_NO_ADMIN. */
bool db_flag(const char *text);

/* Gives the connection up, if there is one. */
void db_disconnect(struct db *db);

/* The same, and tries the next server next. */
void db_turn_away(struct db *db);

/* Has the process's other connections to this server leave it too, as it was waited for in vain. */
void db_report_hung(const struct db *db);

/* Turns away from a server that another connection was reported about, if there are others. */
void db_leave_hung(struct db *db);

/* Maps a client or server error number to one of the ERR_DB errors. */
enum err db_error(unsigned number, const char *message, struct error *e);

#endif
