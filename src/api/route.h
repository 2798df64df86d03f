/* SPDX-License-Identifier: MIT */
/* The route table: who may ask for what, and which handlers answer. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/query.h"
#include "api/response.h"
#include "api/request.h"
#include "api/waitlist.h"
#include "store/db.h"

struct call;

/* Checks the body of a request, and what the table of parameters cannot tell, and notes what it
 * needs in the call. */
typedef enum err route_parse(struct request *request, struct call *call, struct error *e);

/* Asks the database, and answers the call or sets another outcome (see enum outcome). May be
 * repeated. */
typedef enum err route_handle(struct db *db, struct call *call, struct error *e);

/* The same for many calls at once. */
typedef enum err route_batch(struct db *db, struct call **calls, size_t count, struct error *e);

/* The response when a request has waited for long enough. */
typedef struct response *route_late(const struct call *call);

/* Called once what a request has done, or has been shown, is certain; perhaps several times for one
 * that waits. */
typedef void route_after(const struct call *call);

struct route {
    unsigned methods;    /* enum method bits; HEAD comes with GET */
    const char *pattern; /* `:id` stands for one identifier */
    unsigned roles;      /* who may: bits 1 << enum role, or ANYONE for no token */
    size_t body_limit;   /* bytes */
    enum db_mode mode;
    const struct query_parameter *parameters; /* of its query string; NULL: none */
    bool list;                                /* comes as JSON, CSV or NDJSON */
    bool shared;                              /* equal calls have one answer, asked for once */
    route_parse *ask;                         /* reads the body too; NULL: nothing */
    route_handle *answer; /* called with db NULL when `immediate`; NULL: see batch */
    route_batch *batch;   /* calls of this route are answered together */
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
