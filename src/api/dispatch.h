/* SPDX-License-Identifier: MIT */
/* Dispatch: turns a request into a call on the database, and later runs the handlers that answer
 * it. Io threads do the first part (route, token, input), database workers the second. CGI does
 * both in one process, so neither part knows of queues. */
#ifndef API_DISPATCH_H
#define API_DISPATCH_H

#include "api/auth.h"
#include "api/call.h"

/* Checks a request against its route and its token, and fills a new call. Then the call has a
 * response, or waits for the database, or will continue. Produces 400, 401, 403, 404, 405 and 413
 * for all routes. */
void dispatch_request(const struct settings *settings, struct auth *auth, struct request *request,
                      struct call *call);

/* Continues after OUTCOME_CONTINUE: the agent of a large report is admitted. Parses the body; then
 * the call has a response or waits for the database. */
void dispatch_continue(struct request *request, struct call *call);

/* Runs the route's handler for calls of one key. Afterwards each call has an outcome, whatever
 * happens: if a batch fails on its data, its calls are tried one by one. Sorts `calls`: those that
 * share another's response come last. Returns the result of db_run. */
enum err dispatch_batch(struct db *db, struct call **calls, size_t count);

#endif
