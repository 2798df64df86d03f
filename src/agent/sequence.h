/* SPDX-License-Identifier: MIT */
/* The `seq` of heartbeats and open reports (docs/agent-protocol.md): a number that always grows, by
 * which vsay recognises requests that arrive late. Thread-safe. */
#ifndef AGENT_SEQUENCE_H
#define AGENT_SEQUENCE_H

#include <stdint.h>

#include "base/error.h"

struct sequence;

/* Continues after the number in the file `path`, if there is one. */
enum err sequence_open(const char *path, struct sequence **out, struct error *e);
void sequence_free(struct sequence *sequence);

/* Returns the time in milliseconds since 1970, or one more than the last number if that is larger.
 * Stores it first. A failure to store it is only logged: the number could be repeated after a
 * restart only if the clock were set back too. */
int64_t sequence_next(struct sequence *sequence);

#endif
