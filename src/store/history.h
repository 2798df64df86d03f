/* SPDX-License-Identifier: MIT */
/* History: sessions of any state, and commands, as a caller's filters pick them. No search costs
 * more than a bounded part of the history that there is: see walk.h. */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include "store/walk.h"

/* NULL: any. Borrowed. */
struct history_filter {
    const char *user_id, *agent_id, *source;
    const char *q;               /* a substring, in any case */
    const char *state;           /* of a session */
    const char *ended_by;        /* who asked for a session's end */
    const char *session_id;      /* of commands */
    const bool *success;         /* of commands */
    struct position from, until; /* by their time, from `from` on and before `until`; none: any */
    struct position before;      /* older ones only; none: from the newest on */
    size_t limit;
};

/* A page. Its rows are borrowed until the next statement. */
struct history {
    const struct cell **rows; /* newest first */
    size_t count;
    bool more;           /* the next page begins before `end` */
    bool cut;            /* the search has ended before the page was full */
    struct position end; /* how far it came */
};

/* Load the page of the filter's sessions or commands that the scope may see; those of one session
 * in the order in which they were run, and for SCOPE_ALL sessions that one user asked to end in the
 * order of that. Their columns are those of HISTORY_SESSIONS and HISTORY_COMMANDS but for the
 * first. Free *out in any case. */
enum err history_sessions(struct db *db, const struct scope *scope,
                          const struct history_filter *filter, struct history *out,
                          struct error *e);
enum err history_commands(struct db *db, const struct scope *scope,
                          const struct history_filter *filter, struct history *out,
                          struct error *e);
void history_free(struct history *history);

/* Loads commands by their ids, in the order of these. Free *out in any case. */
enum err history_load_commands(struct db *db, const struct findings *findings, struct history *out,
                               struct error *e);

/* ERR_NOT_FOUND when there is no such session in the scope. */
enum err history_check_session(struct db *db, const struct scope *scope, const char *session_id,
                               struct error *e);

#endif
