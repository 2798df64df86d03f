/* SPDX-License-Identifier: MIT */
/* The database's side of `vsayctl setup`: what an administrator of the database does. */
#ifndef CTL_SETUP_DB_H
#define CTL_SETUP_DB_H

#include <stdbool.h>

#include "store/db.h"

/* A database user, as USER@HOST. */
struct account {
    const char *user, *host;
};

/* Makes a database, unless there is one of that name: then *made is false. ERR_DB when the
 * administrator may not. `name` is an identifier (ident_valid). */
enum err setup_database(struct db *admin, const char *name, bool *made, struct error *e);

/* From which host the server sees this one: what comes after USER@. The caller frees *out. */
enum err setup_client_host(struct db *admin, char **out, struct error *e);

enum account_state { ACCOUNT_MADE, ACCOUNT_THERE, ACCOUNT_REFUSED };

/* Makes a user. ACCOUNT_REFUSED: the administrator may not, as `e` tells too. */
enum err setup_account(struct db *admin, struct account account, const char *password,
                       enum account_state *state, struct error *e);

/* Whether the user has that password: ERR_DB_AWAY otherwise. */
enum err setup_log_in(const struct settings *ctx, const char *user, const char *password,
                      struct error *e);

/* Runs grants*.sql, which are for `as_written`@localhost, for `account`. */
enum err setup_grant(struct db *admin, const char *grants, const char *as_written,
                     struct account account, struct error *e);

#endif
