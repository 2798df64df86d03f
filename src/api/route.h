/* SPDX-License-Identifier: MIT */
/* The route table and the dispatcher. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/app.h"
#include "api/reply.h"
#include "api/request.h"
#include "store/sessions.h"

struct question;

/* Checks the parameters of a request and notes them in the question. */
typedef enum err route_ask(const struct request *request, struct question *question,
                           struct error *e);

/* Asks the database and makes the answer. May be repeated; *reply is set only on success. */
typedef enum err route_answer(struct db *db, const struct question *question, struct reply **reply,
                              struct error *e);

struct route {
    unsigned methods;    /* enum method bits; HEAD comes with GET */
    const char *pattern; /* `:id` stands for one identifier */
    unsigned roles;      /* who may: bits 1 << enum role, or ANYONE for no token */
    size_t body_limit;   /* bytes */
    enum db_mode mode;
    bool shared;          /* equal questions have one answer */
    route_ask *ask;       /* NULL: no parameters */
    route_answer *answer; /* called with db NULL when `immediate` */
    bool immediate;       /* needs no database */
};

enum { ANYONE = 0 };

extern const struct route routes[];
extern const size_t routes_count;

/* What one request wants to know. */
struct question {
    const struct route *route;
    struct principal who;
    struct scope scope;
    char id[IDENT_MAX + 1]; /* `:id` of the path */
    struct session_filter filter;
};

/* Checks a request against its route and its token. Either returns the answer at once, or NULL and
 * *question, which the caller owns (free()). Enforces 400, 401, 403, 404, 405 and 413 for all. */
struct reply *route_dispatch(struct app *app, struct request *request, struct question **question);

enum { QUESTION_KEY_MAX = 1024 };

/* The board's key: equal for questions that have the same answer. False for an unshared one. */
bool question_key(const struct question *question, char out[QUESTION_KEY_MAX]);

/* Answers a question, whatever happens: never NULL. `*err` is what db_run returned. */
struct reply *question_answer(struct db *db, const struct question *question, enum err *err);

#endif
