/* SPDX-License-Identifier: MIT */
/* Inside of db: shared by db.c and db_statement.c only. */
#ifndef STORE_DB_MYSQL_H
#define STORE_DB_MYSQL_H

#include <stdbool.h> /* MySQL 8.0's header takes it for granted */

#include <mysql.h>

#include "store/db.h"

#ifndef HAVE_MY_BOOL
typedef bool my_bool;
#endif

/* A statement prepared on the present connection. */
struct prepared;

struct db {
    const struct settings *settings;
    size_t host;  /* index into settings->db.host */
    MYSQL *mysql; /* NULL: not connected */
    struct prepared *prepared[STATEMENT_COUNT];
};

void prepared_free(struct prepared *prepared);

/* Maps a client or server error number to ERR_DB_AWAY, ERR_DB_CONFLICT, ERR_DB_SCHEMA or ERR_DB. */
enum err db_error(unsigned number, const char *message, struct error *e);

#endif
