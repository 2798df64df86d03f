/* SPDX-License-Identifier: MIT */
/* One database connection with its prepared statements. A `struct db` belongs to the thread that
 * made it.
 *
 * A database is away at times: it restarts, a Galera node leaves, a primary becomes a replica.
 * db_run hides that. It repeats a transaction that met a conflict or lost its connection, moves to
 * the next server of db.host, and only then reports an error. The client library's own reconnect is
 * never used: it would silently lose the open transaction, the prepared statements and the
 * session's settings.
 *
 * Bodies of db_run must therefore be safe to repeat, even when the lost attempt was committed: they
 * reset what they have set, and write what is harmless to write twice. Every new connection is set
 * up the same way (db_connect.c), whatever the server's own settings are.
 *
 * All rows of a statement are fetched before it returns. So an error is always that of the call,
 * and the loop that pulls the rows (`while ((row = db_row(db)))`) needs no error handling. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "common/protocol.h"
#include "common/settings.h"
#include "store/statements.h"

struct db;

/* A place in a list ordered by time and id: where a page ends and the next one begins. */
struct position {
    char at[27]; /* UTC, `2026-02-06T12:00:00.123000`; "": none */
    uint64_t id;
};

/* Once per process, before threads start and after they have ended: the client library's own
 * initialisation is not thread-safe. */
void db_library_init(void);
void db_library_end(void);

/* Does not connect. `settings` is borrowed for the life of the db. */
struct db *db_new(const struct settings *settings);
void db_free(struct db *db);

/* Connects if there is no connection, trying each server in turn from the last one that worked.
 * ERR_DB_AWAY, also when the password file is unusable. */
enum err db_connect(struct db *db, struct error *e);
bool db_connected(const struct db *db);

/* Failures, for the metrics. */
struct db_trouble {
    unsigned errors[ERR_COUNT]; /* attempts of db_run that ended with each error */
    unsigned reconnects;        /* connections made after one was lost */
};

/* Those since the last call. */
struct db_trouble db_take_trouble(struct db *db);

/* The server of the present or last connection, as in the configuration. */
const char *db_host(const struct db *db);

/* As given to db_new. */
const struct settings *db_settings(const struct db *db);

/* TLS cipher of the connection, or NULL. */
const char *db_cipher(const struct db *db);

/* The value of a parameter; text is borrowed until the statement has run. */
struct value {
    enum { VALUE_NULL, VALUE_TEXT, VALUE_UINT } type;
    union {
        const char *text;
        uint64_t number;
    };
};

/* Values of a statement's parameters. */
struct params {
    struct value values[PARAM_COUNT];
};

void params_text(struct params *params, enum param param, const char *text); /* NULL is SQL NULL */
void params_filled(struct params *params, enum param param, const char *text); /* "" too */
void params_uint(struct params *params, enum param param, uint64_t number);

enum { ROW_PARAMS_MAX = 16 };

/* The rows of a statement with braces (see statements.h). Zero-initialise before use. Each row has
 * values for the same parameters in the same order, so the first row's first parameter begins a new
 * row whenever it is added again. One vector of values, and the parameters only once: a batch of
 * 500 heartbeats is 4,000 values. */
struct rows {
    enum param params[ROW_PARAMS_MAX]; /* of a row */
    size_t width;                      /* number of params */
    struct value *values;              /* owned */
    size_t count, capacity;            /* of values */
};

void rows_text(struct rows *rows, enum param param, const char *text); /* NULL is SQL NULL */
void rows_uint(struct rows *rows, enum param param, uint64_t number);
struct rows rows_at(const struct rows *rows, size_t row); /* one row, borrowed */
void rows_free(struct rows *rows);

/* One column of a row: text, or NULL for SQL NULL. Borrowed from the row. */
struct cell {
    const char *text;
    size_t length;
};

int64_t cell_int(const struct cell *cell);
/* "" for SQL NULL, and for text that is too long. */
void cell_ident(const struct cell *cell, char out[IDENT_MAX + 1]);
void cell_user_id(const struct cell *cell, char out[USER_ID_MAX + 1]);

/* Runs a statement that returns rows, and fetches them all; db_row returns them. */
enum err db_select(struct db *db, int statement, const struct params *params, struct error *e);

/* The next row of the last statement. NULL: no more; also after an error. Borrowed until the next
 * statement or the end of db_run. */
const struct cell *db_row(struct db *db);

/* Runs a statement that changes rows; *affected, which may be NULL, receives their number. */
enum err db_change(struct db *db, int statement, const struct params *params, uint64_t *affected,
                   struct error *e);

/* Runs a statement with braces for `rows`; does nothing if there are none. A long statement is run
 * in several pieces, which one with several pairs of braces must not need. `params`, NULL if not
 * needed, has the other parameters. db_row returns the rows of all pieces. */
enum err db_bulk(struct db *db, int statement, const struct params *params, const struct rows *rows,
                 struct error *e);

/* A list of identifiers, which it owns. */
struct idents {
    char (*items)[IDENT_MAX + 1];
    size_t count;
};

void idents_add(struct idents *idents, const char *ident);
void idents_read(struct idents *idents, struct db *db); /* adds the first column of db_row's rows */
void idents_free(struct idents *idents);

/* db_bulk with the ids of sessions as rows. */
enum err db_bulk_sessions(struct db *db, int statement, const struct params *params,
                          const struct idents *sessions, struct error *e);

/* Runs one statement as text, for tables that may be missing until a migration makes them. db_row
 * returns its rows, if any. */
enum err db_text(struct db *db, const char *sql, struct error *e);

/* Runs statements; must be safe to repeat. */
typedef enum err db_body(struct db *db, void *context, struct error *e);

enum db_mode {
    DB_READ, /* each statement by itself */
    DB_WRITE /* one transaction */
};

/* Runs `body`, and connects first if necessary. Leaves a server that hung on another thread, if
 * there are others. Repeats the whole body after a conflict or a lost connection, at most
 * DB_ATTEMPTS times in all. */
enum err db_run(struct db *db, enum db_mode mode, db_body *body, void *context, struct error *e);

/* Runs SQL text as a db_run of its own: a script, or a query. The query's first value replaces
 * *value, which the caller frees; without a row *value stays as it is. */
enum err db_run_script(struct db *db, const char *sql, struct error *e);
enum err db_run_value(struct db *db, const char *sql, char **value, struct error *e);

#endif
