/* SPDX-License-Identifier: MIT */
/* The name that tells this agent from another one with the same token: a copied machine's. */
#ifndef AGENT_INSTANCE_H
#define AGENT_INSTANCE_H

#include "base/error.h"

enum { INSTANCE_LENGTH = 33 };

/* Reads the name from the file `instance` in the directory of the sessions' files, or makes one of
 * two parts with a full stop between them. The second part is new when these files are lost: then
 * the agent does not know its sessions. The first part, which tells machines apart, stays in a file
 * beside the socket, until the next boot. Either is made anew for another machine, boot or
 * directory: then its file is a copy, or may be one. */
enum err instance_open(const char *sessions, const char *socket, char out[INSTANCE_LENGTH + 1],
                       struct error *e);

#endif
