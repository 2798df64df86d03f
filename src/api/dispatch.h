/* SPDX-License-Identifier: MIT */
/* Runs a request: from its route to a call for the database, and from there to the handlers
 * that answer it. */
#ifndef API_DISPATCH_H
#define API_DISPATCH_H

#include "api/call.h"

struct worker;

/* Checks a request against its route and its token, and fills a new call: it is answered at
 * once, or waits for the database, or will continue. Enforces 400, 401, 403, 404, 405 and 413 for
 * all. */
void dispatch_request(const struct worker *worker, struct request *request, struct call *call);

/* Goes on with OUTCOME_CONTINUE: of a large report only the agent was looked up, and is admitted.
 * Reads the body; then the call is answered, or waits for the database. */
void dispatch_continue(struct request *request, struct call *call);

/* Has the handlers of their route answer calls of one key: each has an outcome then, whatever
 * happens. One of a batch that fails on its data fails alone. Puts the equal ones of a shared route
 * last. Returns what db_run returned. */
enum err dispatch_batch(struct db *db, struct call **calls, size_t count);

#endif
