/* SPDX-License-Identifier: MIT */
/* The parts of vsay-agent without its threads, for fuzz targets. */
#ifndef TESTS_FUZZ_FUZZ_AGENT_H
#define TESTS_FUZZ_FUZZ_AGENT_H

#include "agent/agent.h"
#include "fuzz.h"

#define SESSION "sess_0123456789abcdef0123456789abcdef"

/* Returns an agent in a directory of its own, made by the first call. `server` is its API's
 * address. */
struct agent *fuzz_agent(const char *server);

/* Checks that vsay-api would accept what is in the spool; removes that and all sessions. */
void fuzz_agent_empty(struct agent *agent);

/* The same without the check. */
void fuzz_agent_clear(struct agent *agent);

#endif
