/* SPDX-License-Identifier: MIT */
/* The number that grows with every heartbeat and every session opened (agent-protocol.md, `seq`).
 * Thread-safe. */
#ifndef AGENT_SEQUENCE_H
#define AGENT_SEQUENCE_H

#include <stdint.h>

#include "base/error.h"

struct sequence;

/* Goes on after the number in the file `path`, if there is one. */
enum err sequence_open(const char *path, struct sequence **out, struct error *e);
void sequence_free(struct sequence *sequence);

/* Milliseconds since 1970, or one more than the last. That it cannot be stored is logged: it may be
 * given out again after a restart only if the clock has gone back meanwhile. */
int64_t sequence_next(struct sequence *sequence);

#endif
