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

/* `caller` is an index into callers->scopes; the cells are borrowed until it returns. */
typedef void load_row_fn(void *context, size_t caller, const struct cell *cells);

/* Runs `statement` (see callers_statement) for the callers and calls `row` for each row, which it
 * counts in callers->rows. `params` are the first caller's, the others' are like them but for the
 * scope. */
enum err load_rows(struct db *db, const struct callers *callers, int statement,
                   const struct params *params, load_row_fn *row, void *context, struct error *e);

#endif
