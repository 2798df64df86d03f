/* SPDX-License-Identifier: MIT */
/* The inside of db, for src/store/db*.c only. */
#ifndef STORE_DB_MYSQL_H
#define STORE_DB_MYSQL_H

#include <stdbool.h> /* MySQL 8.0's header needs it */

#include <mysql.h>

#include "store/db.h"

#ifndef HAVE_MY_BOOL
typedef bool my_bool;
#endif

struct value value_text(const char *text); /* NULL is SQL NULL */
struct value value_uint(uint64_t number);

/* A statement prepared on the present connection. */
struct prepared;

/* A fetched row; the text of its cells follows them. */
struct fetched {
    struct fetched *next;
    struct cell cells[];
};

struct db {
    const struct settings *settings;
    size_t host;               /* index into settings->db.host */
    unsigned hung;             /* the server's count of hangs when this connection was made */
    MYSQL *mysql;              /* NULL: not connected */
    bool connected;            /* there has been a connection */
    struct db_trouble trouble; /* not taken yet */
    bool read_only;            /* the server is; `packet`: bytes that it takes in a statement */
    int64_t packet;
    struct prepared *prepared[STATEMENT_COUNT];
    struct fetched *rows, *last, *current; /* of the last statement; the row db_row returned last */
};

enum { DB_ATTEMPTS = 5 }; /* at a transaction */

void prepared_free(struct prepared *prepared);

/* Adds a copy of a row to those that db_row returns. */
void db_keep_row(struct db *db, const struct cell *cells, size_t width);
void db_forget_rows(struct db *db);

/* Runs one statement as text, and adds its rows to those that are there. */
enum err db_fetch_text(struct db *db, const char *sql, struct error *e);

/* Sends one statement as text, and leaves its result to the caller. */
enum err db_query(struct db *db, const char *sql, struct error *e);

/* Returns whether a variable is on. Servers write it as a number or a word: MariaDB 12's read_only
 * is OFF, ON, NO_LOCK or NO_LOCK_NO_ADMIN. */
bool db_flag(const char *text);

/* Closes the connection, if there is one. */
void db_disconnect(struct db *db);

/* The same, and makes the next server the first to try. */
void db_turn_away(struct db *db);

/* Reports that this server hung. The process's other connections to it leave it too. */
void db_report_hung(const struct db *db);

/* Leaves a server that another connection has reported, if there are others. */
void db_leave_hung(struct db *db);

/* Maps a client or server error number to one of the ERR_DB errors. */
enum err db_error(unsigned number, const char *message, struct error *e);

#endif
