/* SPDX-License-Identifier: MIT */
/* What the threads of vsay-agent share. Each part locks itself. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/bell.h"
#include "agent/held.h"
#include "agent/instance.h"
#include "agent/options.h"
#include "agent/rates.h"
#include "agent/sequence.h"
#include "agent/spool.h"

struct drop;

struct agent {
    const struct agent_options *options;
    char instance[INSTANCE_LENGTH + 1];
    struct held_table *held;
    struct sequence *sequence;
    struct spool *spool;
    struct drop *drop;
    struct rates rates;           /* of new sessions; the main thread's */
    struct bell *sender, *poller; /* the sender's BELL_WORK: the spool has more */
};

#endif
