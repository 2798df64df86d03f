/* SPDX-License-Identifier: MIT */
/* The route table: who may ask for what, and which handlers answer. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/query.h"
#include "api/reply.h"
#include "api/request.h"
#include "api/watch.h"
#include "store/db.h"

struct question;

/* Checks the body of a request, and what the table of parameters cannot tell, and notes what it
 * needs in the question. */
typedef enum err route_ask(struct request *request, struct question *question, struct error *e);

/* Asks the database, and answers the question or sets another outcome (see enum outcome). May be
 * repeated. */
typedef enum err route_answer(struct db *db, struct question *question, struct error *e);

/* The same for many questions at once. */
typedef enum err route_batch(struct db *db, struct question **questions, size_t count,
                             struct error *e);

/* The reply when a request has waited for long enough. */
typedef struct reply *route_late(const struct question *question);

/* Called once what a request has done, or has been shown, is certain; perhaps several times for one
 * that waits. */
typedef void route_after(const struct question *question);

struct route {
    unsigned methods;    /* enum method bits; HEAD comes with GET */
    const char *pattern; /* `:id` stands for one identifier */
    unsigned roles;      /* who may: bits 1 << enum role, or ANYONE for no token */
    size_t body_limit;   /* bytes */
    enum db_mode mode;
    const struct query_parameter *parameters; /* of its query string; NULL: none */
    bool list;                                /* comes as JSON, CSV or NDJSON */
    bool shared;                              /* equal questions have one answer, asked for once */
    route_ask *ask;                           /* reads the body too; NULL: nothing */
    route_answer *answer; /* called with db NULL when `immediate`; NULL: see batch */
    route_batch *batch;   /* questions of this route are answered together */
    route_after *after;   /* NULL: nothing is to be noted */
    const char *action;   /* as which a success is in the audit; NULL: in none */
    bool immediate;       /* needs no database */
    enum wait_for waits_for;
    route_late *late;    /* when it waits */
    route_late *refused; /* when the database cannot be asked; NULL: an error */
};

enum { ANYONE = 0 };

extern const struct route routes[];
extern const size_t routes_count;

/* What comes before a large report: its agent is looked up, without its body. */
extern const struct route route_admission;

/* Text of the path that `:id` stands for. */
struct segment {
    const char *text; /* NULL: the pattern has none */
    size_t length;
};

/* The route of path and method; NULL when there is none. *allow receives the methods of all routes
 * with that path, *id borrows from `path`. */
const struct route *route_find(const char *path, enum method method, unsigned *allow,
                               struct segment *id);

#endif
