/* SPDX-License-Identifier: MIT */
/* The name that tells this agent from another one that uses the same token, such as a cloned
 * machine. The API refuses the second (409) instead of letting two agents overwrite each other's
 * list of sessions. */
#ifndef AGENT_INSTANCE_H
#define AGENT_INSTANCE_H

#include "base/error.h"

enum { INSTANCE_LENGTH = 33 };

/* Reads the name from the file `instance` in `sessions`, the directory of the sessions' files, or
 * makes a new one. A name has two parts with a full stop between them:
 *   - the first tells machines apart; it is kept beside the socket until the next boot;
 *   - the second tells agents on one machine apart that do not know each other's sessions; it is
 *     kept in `sessions`, so it changes when these files are lost.
 * Each file also names the machine, boot and directory it was written for. If these differ, the
 * file may be a copy, and the part is made anew. */
enum err instance_open(const char *sessions, const char *socket, char out[INSTANCE_LENGTH + 1],
                       struct error *e);

#endif
