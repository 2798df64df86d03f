/* SPDX-License-Identifier: MIT */
/* A call: what one request asks of the database, with its arguments and its outcome. It lives from
 * dispatch to response. The coalescer groups calls by key without knowing what is in them; handlers
 * read the arguments and set the outcome.
 *
 * The outcome is a member of its own: whether there is a response does not say whether the call is
 * done, since a call that waits may have one of an earlier attempt. */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/list.h"
#include "api/route.h"
#include "store/scope.h"
#include "store/sessions.h"

/* The state of a call. */
enum outcome {
    OUTCOME_DONE,    /* the response is set */
    OUTCOME_WAIT,    /* for the database at first, then for the route's `waits_for` */
    OUTCOME_CONTINUE /* only its agent is looked up at first: see dispatch_continue */
};

/* The arguments and outcome of one request. */
struct call {
    enum outcome outcome;
    const struct route *route; /* the route that serves it */
    const struct route *next;  /* the route to continue with after the admission check */
    struct principal who;
    struct scope scope;
    char id[IDENT_MAX + 1]; /* `:id` of the path */
    char request_id[REQUEST_ID_LENGTH + 1];
    char instance[IDENT_MAX + 1]; /* of the reporting agent; "": none */
    struct query query;
    enum format format; /* of a list's response */
    struct session_filter filter;
    char reason[REASON_MAX + 1];
    struct closing closing; /* result of closing a session */
    long wait;              /* s; 0: does not wait, or the waitlist was full */
    int64_t until;          /* monotonic ms: end of `wait` */
    bool waited;            /* it has run before, and runs again */
    unsigned weight;        /* its share of a batch; 0: not batched */
    bool measure;           /* count the rows read for its caller */
    struct call *same;      /* equal call of the batch whose response it shares, or NULL */
    void *report;           /* the parsed body, or a login's token; owned */
    void (*report_free)(void *report);

    struct response *response; /* owned; valid when OUTCOME_DONE */
    enum wait_for wakes;       /* after the commit, run the calls again that wait for this */
    char wake_key[IDENT_MAX + 1];
};

struct call *call_new(void);
void call_free(struct call *call); /* NULL is fine */

/* Sets the response, which the call then owns, and OUTCOME_DONE. Replaces an earlier one. */
void call_respond(struct call *call, struct response *response);

/* Responds with an error, or with the route's `unavailable` response. */
void call_refuse(struct call *call, enum err err, const struct error *e);

/* Counts the request in the metrics, and logs its error if it has one. With log.requests, also logs
 * the request and how long it took. */
void call_log(const struct call *call, const struct request *request,
              const struct settings *settings);

enum { CALL_KEY_MAX = 4096 };

/* Writes the coalescer's key: equal for calls that share a response or run as one batch. False for
 * a call that runs alone. */
bool call_key(const struct call *call, char out[CALL_KEY_MAX]);

/* Returns whether the call's caller is heavy: the database recently read more than 100 rows of this
 * route for it. A batch would have to wait for such a caller, and saves it nothing, so it runs
 * alone. Sets call->measure when that was long ago, so that its rows are counted again. The memory
 * of heavy callers is one for the process, and of bounded size. */
bool call_is_heavy(struct call *call);

/* The callers of a batch of calls. Pass the result to calls_loaded, which remembers the heavy ones
 * and frees it. */
struct callers calls_callers(struct call **calls, size_t count);
void calls_loaded(struct call **calls, struct callers *callers);

#endif
