/* SPDX-License-Identifier: MIT */
/* Loads rows for several callers with one statement, and assigns each row to its caller (the data
 * loader pattern). When many users have the dashboard open, this makes the database's work grow
 * with the number of batches, and not with the number of users. */
#ifndef STORE_LOAD_H
#define STORE_LOAD_H

#include "store/db.h"

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

/* Index of the caller with that tenant or user id. callers->count: none. */
size_t callers_find(const struct callers *callers, const char *id);

/* Runs `statement` (see callers_statement) for the callers. `params` are the first caller's; those
 * of the others differ in the scope only. */
enum err load_rows(struct db *db, const struct callers *callers, int statement,
                   const struct params *params, struct error *e);

/* As db_row, without the column that names the caller: *caller is its index in callers->scopes.
 * Counts the row in callers->rows. */
const struct cell *load_row(struct db *db, const struct callers *callers, size_t *caller);

#endif
