/* SPDX-License-Identifier: MIT */
/* History and search: sessions of any state, and commands, that match a caller's filters.
 *
 * A search is a walk (walk.h) through ranges of indexes, so its cost is bounded, however long the
 * history is. Which ranges follows from the scope and the filters (the table in docs/design.md,
 * "History and search"): ranges that hold only rows which the caller may see, where there are such.
 * Filters without an index (source, success, text) pick from the rows that are read. An index for
 * them would cost each reported command more than such searches are worth. */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include "store/scope.h"
#include "store/walk.h"

/* NULL: any. Borrowed. */
struct history_filter {
    const char *user_id, *agent_id, *source;
    const char *q;               /* a substring, in any case */
    const char *state;           /* of a session */
    const char *ended_by;        /* the user who terminated a session */
    const char *session_id;      /* of commands */
    const bool *success;         /* of commands */
    struct position from, until; /* of their times; `until` is exclusive; none: any */
    struct position before;      /* only older ones; none: from the newest on */
    size_t limit;
};

/* A page. Its rows are borrowed until the next statement. */
struct history {
    const struct cell **rows; /* newest first */
    size_t count;
    bool more;           /* the next page begins before `end` */
    bool cut;            /* the search reached its bound before the page was full */
    struct position end; /* how far the search came */
};

/* Load a page of the sessions or commands in the scope that match the filter, newest first.
 * Commands of one session are in the order in which they ran; for SCOPE_ALL, sessions that one user
 * terminated are in the order of the requests. The columns are those of HISTORY_SESSIONS and
 * HISTORY_COMMANDS without the first. Free *out in any case. */
enum err history_sessions(struct db *db, const struct scope *scope,
                          const struct history_filter *filter, struct history *out,
                          struct error *e);
enum err history_commands(struct db *db, const struct scope *scope,
                          const struct history_filter *filter, struct history *out,
                          struct error *e);
void history_free(struct history *history);

/* Loads commands by their ids, in the order of `findings`. Free *out in any case. */
enum err history_load_commands(struct db *db, const struct findings *findings, struct history *out,
                               struct error *e);

/* ERR_NOT_FOUND when the session is not in the scope. */
enum err history_check_session(struct db *db, const struct scope *scope, const char *session_id,
                               struct error *e);

#endif
