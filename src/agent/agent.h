/* SPDX-License-Identifier: MIT */
/* The state that the threads of vsay-agent share: the main thread (server.h), the sender and the
 * poller. Each part has its own lock, or belongs to one thread.
 *
 * There are three threads because two things may block for long, and must not delay the killing of
 * a session: a request to vsay, and the name service. The main thread does neither. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/event_flag.h"
#include "agent/identity.h"
#include "agent/quota.h"
#include "agent/session.h"
#include "agent/spool.h"
#include "machine/options.h"

struct handoff;

struct agent {
    const struct agent_options *options;
    struct session_table *sessions;
    struct identity *identity;
    struct spool *spool;
    struct handoff *handoff;
    struct quota_rates rates;           /* of new sessions; used by the main thread only */
    struct event_flag *sender, *poller; /* EVENT_WORK wakes the sender: the spool has records */
};

#endif
