/* SPDX-License-Identifier: MIT */
/* Functions that the handlers of agents' reports share. */
#ifndef API_HANDLE_AGENT_H
#define API_HANDLE_AGENT_H

#include "api/call.h"
#include "store/agents.h"

/* The agent that makes the request; borrows from the call. */
struct reporter handler_agent(const struct call *call);

/* The response for an agent that is not admitted: 409 when another instance reports for the
 * machine, 401 when the token was revoked. */
struct response *response_not_admitted(const struct reporter *agent);

#endif
