/* SPDX-License-Identifier: MIT */
/* The rows that a caller may see, for one caller or for several at once.
 *
 * The scope rule is part of the SQL, and stands once in statements_rules.h: rows that a caller may
 * not see never leave the database, so that no handler can forget to filter them.
 *
 * When many users have the dashboard open, one statement loads the rows of all of them, and each
 * row is assigned to its caller (the data loader pattern). The database's work then grows with the
 * number of batches, and not with the number of users: docs/design.md has the figures. */
#ifndef STORE_SCOPE_H
#define STORE_SCOPE_H

#include "common/principal.h"
#include "store/db.h"

struct scope {
    enum scope_kind kind;
    char tenant_id[IDENT_MAX + 1]; /* "" for SCOPE_ALL */
    char user_id[USER_ID_MAX + 1]; /* "" unless SCOPE_USER */
};

struct scope scope_of(const struct principal *who);

/* Orders scopes of one kind. */
int scope_compare(const struct scope *a, const struct scope *b);

/* Parameters that follow from scope and configuration: tenant, user, liveness, expiry. `scope` is
 * borrowed. */
struct params scope_params(const struct db *db, const struct scope *scope);

/* Callers of one statement. All are of one kind, users also of one tenant; each is there once, in
 * the order of scope_compare. */
struct callers {
    size_t count;
    const struct scope **scopes; /* borrowed */
    bool several;                /* use the statement for several callers, even for one */
    uint64_t *rows;              /* out: rows that the database read for each, if `several` */
};

/* The form of `statement` for these callers, of its SCOPE_FORMS (see statements.h). */
int callers_statement(const struct callers *callers, int statement);

/* Runs `statement` (see callers_statement) for the callers. `params` are the first caller's; those
 * of the others differ in the scope only. */
enum err callers_load(struct db *db, const struct callers *callers, int statement,
                      const struct params *params, struct error *e);

/* As db_row, without the column that names the caller: *caller is its index in callers->scopes.
 * Counts the row in callers->rows. */
const struct cell *callers_row(struct db *db, const struct callers *callers, size_t *caller);

#endif
