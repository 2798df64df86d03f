/* SPDX-License-Identifier: MIT */
/* What one request asks of the database, from its dispatch to its response. */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/format.h"
#include "api/route.h"
#include "store/load.h"
#include "store/sessions.h"

/* What has become of a request so far. */
enum outcome {
    OUTCOME_DONE,    /* it has its response */
    OUTCOME_WAIT,    /* for the database; after it was asked, for what the route waits for */
    OUTCOME_CONTINUE /* its agent is looked up first: see dispatch_continue */
};

/* What one request wants to know, and its answer. */
struct call {
    enum outcome outcome;
    const struct route *route; /* whose handlers answer it */
    const struct route *next;  /* the same, once it continues */
    struct principal who;
    struct scope scope;
    char id[IDENT_MAX + 1]; /* `:id` of the path */
    char request_id[REQUEST_ID_LENGTH + 1];
    char instance[IDENT_MAX + 1]; /* of the agent that reports; "": it has none */
    struct query query;
    enum format format; /* of a list */
    struct session_filter filter;
    char reason[REASON_MAX + 1];
    struct closing closing; /* of the session that was to be closed */
    long wait;              /* s; 0: not at all, or there is no place to wait */
    int64_t until;          /* monotonic ms: when `wait` is over */
    bool waited;            /* it was asked before, and is asked again */
    unsigned weight;        /* in a batch; 0: in none */
    bool measure;           /* count what is read for its caller */
    struct call *same;      /* in a batch: the equal one whose answer it shares; NULL: none */
    void *report;           /* what a body says, or a login's token; owned */
    void (*report_free)(void *report);

    struct response *response; /* owned; valid when OUTCOME_DONE */
    enum wait_for wakes;       /* after the commit, ask those again who wait for that */
    char wake_key[IDENT_MAX + 1];
};

struct call *call_new(void);
void call_free(struct call *call); /* NULL is fine */

/* Takes the response, instead of an earlier one: OUTCOME_DONE. */
void call_respond(struct call *call, struct response *response);

/* The same when the database could not be asked, or failed. */
void call_refuse(struct call *call, enum err err, const struct error *e);

/* Counts a request, and logs what came of it: its error, and with log.requests what it was and how
 * long it took. */
void call_log(const struct call *call, const struct request *request,
              const struct settings *settings);

enum { QUESTION_KEY_MAX = 4096 };

/* The coalescer's key: equal for calls that have the same answer or are answered together. False
 * for one that stands alone. */
bool call_key(const struct call *call, char out[QUESTION_KEY_MAX]);

/* The callers of calls that are asked together. calls_loaded frees it, after it has noted
 * which are heavy. */
struct callers calls_callers(struct call **calls, size_t count);
void calls_loaded(struct call **calls, struct callers *callers);

#endif
