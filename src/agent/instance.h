/* SPDX-License-Identifier: MIT */
/* The name that tells this agent from another one with the same token: a copied machine's. */
#ifndef AGENT_INSTANCE_H
#define AGENT_INSTANCE_H

#include "base/error.h"

enum { INSTANCE_LENGTH = 32 };

/* Reads the file `instance` in the directory of the sessions' files: an agent that has lost these is
 * a new one. A new name is made, and stored there, when there is none or when it was made for
 * another machine, boot or directory: then the file is a copy, or may be one. So a machine has a
 * new name after each boot. */
enum err instance_open(const char *directory, char out[INSTANCE_LENGTH + 1], struct error *e);

#endif
