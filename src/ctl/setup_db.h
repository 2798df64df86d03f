/* SPDX-License-Identifier: MIT */
/* The database part of `vsayctl setup`, run as a database administrator: database, users and
 * grants. */
#ifndef CTL_SETUP_DB_H
#define CTL_SETUP_DB_H

#include <stdbool.h>

#include "store/db.h"

/* A database user, as USER@HOST. */
struct account {
    const char *user, *host;
};

/* Creates a database unless it exists; then *made is false. ERR_DB when the administrator has no
 * right to. `name` is an identifier (ident_valid). */
enum err setup_database(struct db *admin, const char *name, bool *made, struct error *e);

/* This host as the server sees it: the part after USER@. The caller frees *out. */
enum err setup_client_host(struct db *admin, char **out, struct error *e);

enum account_state { ACCOUNT_MADE, ACCOUNT_THERE, ACCOUNT_REFUSED };

/* Creates a user. ACCOUNT_REFUSED: the administrator has no right to; `e` has the details. */
enum err setup_account(struct db *admin, struct account account, const char *password,
                       enum account_state *state, struct error *e);

/* Logs in as the user. ERR_DB_AWAY when the password is wrong. */
enum err setup_log_in(const struct settings *ctx, const char *user, const char *password,
                      struct error *e);

/* Runs the text of a grants*.sql, which names `as_written`@localhost, for `account`. */
enum err setup_grant(struct db *admin, const char *grants, const char *as_written,
                     struct account account, struct error *e);

#endif
