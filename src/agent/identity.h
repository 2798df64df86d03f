/* SPDX-License-Identifier: MIT */
/* Two values in requests, by which vsay tells them apart (docs/agent-protocol.md):
 *
 *   - the instance: which agent sends it. Two agents may have the same token, if a machine was
 *     cloned. The API refuses the second one (409). Otherwise each heartbeat would close the other
 *     agent's sessions, since it does not list them.
 *   - the sequence number: which request is newer. A heartbeat may arrive late, and must not close
 *     a session that was opened after it was made. Only the agent makes these numbers, so no two
 *     clocks are compared.
 *
 * Both are on disk, since they must survive a restart of the agent. Thread-safe. */
#ifndef AGENT_IDENTITY_H
#define AGENT_IDENTITY_H

#include <stdint.h>

#include "base/error.h"

struct identity;

/* Reads both from the files `sessions/instance` and `seq` of the state directory, or begins anew.
 * The instance has two parts with a full stop between them:
 *   - the first tells machines apart; it is kept beside the socket until the next boot;
 *   - the second tells agents on one machine apart that do not know each other's sessions; it is
 *     kept with the sessions' files, so it changes when these are lost.
 * Each file of a part also names the machine, boot and directory it was written for. If these
 * differ, the file may be a copy, and the part is made anew. */
enum err identity_open(const char *state_dir, const char *socket, struct identity **out,
                       struct error *e);
void identity_close(struct identity *identity);

const char *identity_instance(const struct identity *identity);

/* Returns the time in milliseconds since 1970, or one more than the last number if that is larger.
 * Stores it first. A failure to store it is only logged: the number could be repeated after a
 * restart only if the clock were set back too. */
int64_t identity_next_seq(struct identity *identity);

#endif
