/* SPDX-License-Identifier: MIT */
/* One database connection with its prepared statements. A `struct db` belongs to the thread that
 * made it. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "common/settings.h"
#include "store/statements.h"

struct db;

/* A place in a list ordered by time and id: where a page ends and the next one begins. */
struct position {
    char at[27]; /* UTC, `2026-02-06T12:00:00.123000`; "": none */
    uint64_t id;
};

/* Once per process, before threads start and after they ended. */
void db_library_init(void);
void db_library_end(void);

/* `settings` is borrowed for the life of the db. Does not connect. */
struct db *db_new(const struct settings *settings);
void db_free(struct db *db);

/* Connects if there is no connection: each server in turn, from the one that worked last.
 * ERR_DB_AWAY, also when the password file is unusable. */
enum err db_connect(struct db *db, struct error *e);
bool db_connected(const struct db *db);

/* What went wrong. */
struct db_trouble {
    unsigned errors[ERR_COUNT]; /* attempts of db_run that ended so */
    unsigned reconnects;        /* connections that were made after one was lost */
};

/* What did since the last call. */
struct db_trouble db_take_trouble(struct db *db);

/* The server that db is or was last connected to, as in the configuration. */
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

/* The parameters that scope and configuration give: tenant, user, liveness, expiry. `scope` is
 * borrowed. */
struct params params_for(const struct db *db, const struct scope *scope);

void params_text(struct params *params, enum param param, const char *text); /* NULL is SQL NULL */
void params_filled(struct params *params, enum param param, const char *text); /* and so is "" */
void params_uint(struct params *params, enum param param, uint64_t number);

enum { ROW_PARAMS_MAX = 16 };

/* The rows of a statement with braces (see statements.h), zeroed before the first. They hold the
 * values of the parameters within the braces, as each row has the same, in the same order: the
 * parameter that began the first row begins the next. */
struct rows {
    enum param params[ROW_PARAMS_MAX]; /* of a row */
    size_t width;                      /* how many these are */
    struct value *values;              /* owned */
    size_t count, capacity;            /* of values */
};

void rows_text(struct rows *rows, enum param param, const char *text); /* NULL is SQL NULL */
void rows_uint(struct rows *rows, enum param param, uint64_t number);
struct rows rows_at(const struct rows *rows, size_t row); /* that one alone, borrowed */
void rows_free(struct rows *rows);

/* One column of a row: text, or NULL for SQL NULL; borrowed as its row is. */
struct cell {
    const char *text;
    size_t length;
};

int64_t cell_int(const struct cell *cell);
/* "" when it is none. */
void cell_ident(const struct cell *cell, char out[IDENT_MAX + 1]);
void cell_user_id(const struct cell *cell, char out[USER_ID_MAX + 1]);

/* Runs a statement that returns rows, all of which are fetched: db_row tells them. */
enum err db_select(struct db *db, int statement, const struct params *params, struct error *e);

/* The next row of the last statement; NULL: no more, as after an error. Borrowed until the next
 * statement or the end of db_run. */
const struct cell *db_row(struct db *db);

/* Runs a statement that changes rows; *affected receives how many. */
enum err db_change(struct db *db, int statement, const struct params *params, uint64_t *affected,
                   struct error *e);

/* Runs a statement with braces over rows, if there are any, in several pieces if its text becomes
 * long (one with several braces must not); the parameters that the rows lack are in `params`, NULL
 * when there are none. The rows of all pieces are told by db_row. */
enum err db_bulk(struct db *db, int statement, const struct params *params, const struct rows *rows,
                 struct error *e);

/* Runs several statements as text, each to its end: for migrations. */
enum err db_script(struct db *db, const char *sql, struct error *e);

/* Runs one statement as text: for tables that no prepared statement may name, as a migration makes
 * them. Its rows, if any, are told by db_row. */
enum err db_text(struct db *db, const char *sql, struct error *e);

/* `body` runs statements; it must be safe to repeat. */
typedef enum err db_body(struct db *db, void *context, struct error *e);

enum db_mode {
    DB_READ, /* each statement for itself */
    DB_WRITE /* one transaction */
};

/* Runs `body`, connecting first if need be; to another server, if there is one, than the one that
 * another thread has waited for in vain. A conflict or a lost connection repeats it whole, a
 * bounded number of times. */
enum err db_run(struct db *db, enum db_mode mode, db_body *body, void *context, struct error *e);

#endif
