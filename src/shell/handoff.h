/* SPDX-License-Identifier: MIT */
/* Writes what a session still has to report to a file, for a vsay-agent that is away. See
 * agent/handoff.h for the directory. */
#ifndef SHELL_HANDOFF_H
#define SHELL_HANDOFF_H

#include <stddef.h>

#include "base/error.h"

struct json_object;

/* Writes the objects, one per line, durably to `state_dir`/drop/SESSION_ID.jsonl. If another user
 * has taken that name, and `key` is not NULL, the file is SESSION_ID.KEY.jsonl. */
enum err handoff_write(const char *state_dir, const char *session_id, const char *key,
                       struct json_object *const *objects, size_t count, struct error *e);

#endif
