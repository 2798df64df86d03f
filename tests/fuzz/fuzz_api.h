/* SPDX-License-Identifier: MIT */
/* vsay-api up to the database, for fuzz targets. */
#ifndef TESTS_FUZZ_FUZZ_API_H
#define TESTS_FUZZ_FUZZ_API_H

#include "fuzz.h"

struct worker;
struct request;
struct error;

/* An worker without gateway and board; made once. */
struct worker *fuzz_worker(void);

/* `Bearer` and a good token of that role's name; NULL when there is no such role. Borrowed. */
const char *fuzz_bearer(const char *role);

/* A body for request_parse: its gateway is a struct text. */
long fuzz_read_body(void *text, char *buffer, size_t size);

/* Dispatches what request_parse has filled, checks the answer, and frees all. */
void fuzz_dispatch(struct request *request);

/* What the agent has stored must not be refused, or it would never get through. `line` is a record
 * of the spool, as it is sent. */
void fuzz_api_takes(const char *type, const char *session_id, const char *line);

#endif
