/* SPDX-License-Identifier: MIT */
/* vsay-agent's parts without its threads, for fuzz targets. */
#ifndef TESTS_FUZZ_FUZZ_AGENT_H
#define TESTS_FUZZ_FUZZ_AGENT_H

#include "agent/agent.h"
#include "fuzz.h"

#define SESSION "sess_0123456789abcdef0123456789abcdef"

/* An agent in a directory of its own, made once; `server` is its API's address. */
struct agent *fuzz_agent(const char *server);

/* Checks that vsay-api would take what is in the spool, and removes it and all sessions. */
void fuzz_agent_empty(struct agent *agent);

/* The same without the check. */
void fuzz_agent_clear(struct agent *agent);

#endif
