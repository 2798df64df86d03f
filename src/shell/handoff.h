/* SPDX-License-Identifier: MIT */
/* What a session leaves behind for a vsay-agent that is away. */
#ifndef SHELL_HANDOFF_H
#define SHELL_HANDOFF_H

#include <stddef.h>

#include "base/error.h"

struct json_object;

/* Writes the objects, one a line, durably to `state_dir`/drop/`session_id`.jsonl; when somebody has
 * made that already, with `.key` (unless NULL) before the `.jsonl`. */
enum err handoff_write(const char *state_dir, const char *session_id, const char *key,
                       struct json_object *const *objects, size_t count, struct error *e);

#endif
