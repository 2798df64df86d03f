/* SPDX-License-Identifier: MIT */
/* The route table and the dispatcher. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/app.h"
#include "api/reply.h"
#include "api/request.h"
#include "store/load.h"
#include "store/sessions.h"

struct question;

/* Checks the parameters and the body of a request and notes them in the question. */
typedef enum err route_ask(struct request *request, struct question *question, struct error *e);

/* Asks the database and sets question->reply; leaves it NULL when the request should wait (see
 * wait_for). May be repeated. */
typedef enum err route_answer(struct db *db, struct question *question, struct error *e);

/* The same for many questions at once. */
typedef enum err route_batch(struct db *db, struct question **questions, size_t count,
                             struct error *e);

/* The reply when a request has waited for long enough. */
typedef struct reply *route_late(const struct question *question);

struct route {
    unsigned methods;    /* enum method bits; HEAD comes with GET */
    const char *pattern; /* `:id` stands for one identifier */
    unsigned roles;      /* who may: bits 1 << enum role, or ANYONE for no token */
    size_t body_limit;   /* bytes */
    enum db_mode mode;
    bool shared;          /* equal questions have one answer, asked for once */
    route_ask *ask;       /* reads the body too; NULL: neither parameters nor body */
    route_answer *answer; /* called with db NULL when `immediate`; NULL: see batch */
    route_batch *batch;   /* questions of this route are answered together */
    bool immediate;       /* needs no database */
    enum wait_for waits_for;
    route_late *late; /* when it waits */
};

enum { ANYONE = 0 };

extern const struct route routes[];
extern const size_t routes_count;

/* What one request wants to know, and its answer. */
struct question {
    const struct route *route;
    const struct route *next; /* when its answer is none: see route_resume; NULL: no other */
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
struct reply *route_dispatch(struct app *app, struct request *request, struct question **question);

/* Goes on with a question that was answered with nothing and has a next route: of a large report
 * only the agent was checked. Reads the body; returns as route_dispatch. */
struct reply *route_resume(struct request *request, struct question **question);

enum { QUESTION_KEY_MAX = 1024 };

/* The board's key: equal for questions that have the same answer or are answered together. False
 * for one that stands alone. */
bool question_key(const struct question *question, char out[QUESTION_KEY_MAX]);

/* Answers questions of one route, whatever happens: each has a reply then, or is to wait. Several
 * only if the route has a batch: one that fails on its data fails alone. Puts the equal ones of a
 * shared route last. Returns what db_run returned. */
enum err questions_answer(struct db *db, struct question **questions, size_t count);

/* The callers of questions that are asked together. questions_loaded frees it, after it has noted
 * which are heavy. */
struct callers questions_callers(struct question **questions, size_t count);
void questions_loaded(struct question **questions, struct callers *callers);

#endif
