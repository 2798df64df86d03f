/* SPDX-License-Identifier: MIT */
/* Runs a request: from its route to a question for the database, and from there to the handlers
 * that answer it. */
#ifndef API_DISPATCH_H
#define API_DISPATCH_H

#include "api/route.h"
#include "store/load.h"
#include "store/sessions.h"

/* What one request wants to know, and its answer. */
struct question {
    const struct route *route;
    const struct route *next; /* when its answer is none: see dispatch_resume; NULL: no other */
    struct principal who;
    struct scope scope;
    char id[IDENT_MAX + 1];       /* `:id` of the path */
    char instance[IDENT_MAX + 1]; /* of the agent that reports; "": it has none */
    struct session_filter filter;
    char reason[REASON_MAX + 1];
    long wait;       /* s; 0: not at all, or there is no place to wait */
    int64_t until;   /* monotonic ms: when `wait` is over */
    bool waited;     /* it was asked before, and is asked again */
    unsigned weight; /* in a batch; 0: in none */
    bool measure;    /* count what is read for its caller */
    struct question *same; /* in a batch: the equal one whose answer it shares; NULL: none */
    void *report;    /* of an agent; owned */
    void (*report_free)(void *report);

    struct reply *reply; /* owned; NULL: none yet */
    enum wait_for wakes; /* after the commit, ask those again who wait for that */
    char wake_key[IDENT_MAX + 1];
};

/* NULL is fine. */
void question_free(struct question *question);

/* Checks a request against its route and its token. Either returns the answer at once, or NULL and
 * *question, which the caller owns. Enforces 400, 401, 403, 404, 405 and 413 for all. */
struct reply *dispatch_request(struct app *app, struct request *request,
                               struct question **question);

/* Goes on with a question that was answered with nothing and has a next route: of a large report
 * only the agent was checked. Reads the body; returns as dispatch_request. */
struct reply *dispatch_resume(struct request *request, struct question **question);

enum { QUESTION_KEY_MAX = 1024 };

/* The board's key: equal for questions that have the same answer or are answered together. False
 * for one that stands alone. */
bool question_key(const struct question *question, char out[QUESTION_KEY_MAX]);

/* Answers questions of one route, whatever happens: each has a reply then, or is to wait. Several
 * only if the route has a batch: one that fails on its data fails alone. Puts the equal ones of a
 * shared route last. Returns what db_run returned. */
enum err dispatch_batch(struct db *db, struct question **questions, size_t count);

/* The callers of questions that are asked together. questions_loaded frees it, after it has noted
 * which are heavy. */
struct callers questions_callers(struct question **questions, size_t count);
void questions_loaded(struct question **questions, struct callers *callers);

#endif
