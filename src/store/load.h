/* SPDX-License-Identifier: MIT */
/* Loads rows for several callers by one statement, and hands each to whom it belongs (the data
 * loader pattern). */
#ifndef STORE_LOAD_H
#define STORE_LOAD_H

#include "store/db.h"

/* Callers whose rows are loaded by one statement: of one kind, users of one tenant only; each once,
 * in the order of scope_compare. */
struct callers {
    size_t count;
    const struct scope **scopes; /* borrowed */
    bool several;                /* loaded by a statement for several, though it may be one */
    uint64_t *rows;              /* how many the database read for each, if `several` */
};

/* The statement for these callers, of the five that begin with `statement` (see statements.h). */
int callers_statement(const struct callers *callers, int statement);

/* The caller whose tenant or user id that is; callers->count: none. */
size_t callers_find(const struct callers *callers, const char *id);

/* Runs `statement` (see callers_statement) for the callers. `params` are the first caller's, the
 * others' are like them but for the scope. */
enum err load_rows(struct db *db, const struct callers *callers, int statement,
                   const struct params *params, struct error *e);

/* db_row, without the column that says whose it is: *caller, an index into callers->scopes. Counts
 * it in callers->rows. */
const struct cell *load_row(struct db *db, const struct callers *callers, size_t *caller);

#endif
