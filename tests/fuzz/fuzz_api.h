/* SPDX-License-Identifier: MIT */
/* vsay-api without the database, for fuzz targets. */
#ifndef TESTS_FUZZ_FUZZ_API_H
#define TESTS_FUZZ_FUZZ_API_H

#include "fuzz.h"

struct io_shared;
struct request;
struct error;

/* Settings and keys, without a scheduler; created once. */
struct io_shared *fuzz_shared(void);

/* `Bearer` and a valid token for the role with this name; NULL when there is no such role.
 * Borrowed. */
const char *fuzz_bearer(const char *role);

/* A body_fn for request_parse; its gateway is a struct text. */
long fuzz_read_body(void *text, char *buffer, size_t size);

/* Dispatches a request filled by request_parse, and checks the outcome. */
void fuzz_dispatch(struct request *request);

/* Checks that vsay-api accepts what the agent has spooled, which would otherwise never get through.
 * `line` is a record of the spool, as it is sent. */
void fuzz_api_takes(const char *type, const char *session_id, const char *line);

#endif
