/* SPDX-License-Identifier: MIT */
/* Takes the marks of the shell integration out of a terminal's output. They use the escape
 * sequence OSC 633, as editors do, and carry the session's nonce so that output cannot forge one:
 *     ESC ] 633 ; B ; status ; nonce BEL    a command begins that a C will name when it has ended
 *     ESC ] 633 ; C ; nonce ; status ; history entry ; nonce BEL    before a command runs
 *     ESC ] 633 ; D ; status ; nonce BEL                            before the next prompt
 *     ESC ] 633 ; U ; reason ; nonce BEL                            commands are not recorded
 * The history entry is as the shell prints it; it may contain any bytes, and is empty when the
 * history does not have the command. The status in B and C is that of the previous command. B, D
 * and U contain no control characters, and may end with ESC \ instead of BEL. Everything else
 * passes unchanged and in order. */
#ifndef SHELL_OSC633_H
#define SHELL_OSC633_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* The longest mark, in bytes. The entry in a longer C is cut; longer sequences of other kinds are
 * not marks. A command may have REDACT_COMMAND_MAX bytes, and the terminal may double its line
 * feeds. */
enum { OSC633_MAX = 160 * 1024 };

/* The number of times that osc633_release waits for the end of a C. */
enum { OSC633_PATIENCE = 50 };

struct osc633;

/* Called for each mark. `mark` is its letter; `text` is the unchanged text before the last nonce,
 * borrowed for the call. */
typedef void osc633_on_mark(void *context, char mark, const char *text, size_t length);

/* `nonce` and `context` are borrowed for the life of the object. */
struct osc633 *osc633_new(const char *nonce, osc633_on_mark *on_mark, void *context);
void osc633_free(struct osc633 *osc633);

/* Appends to `out` the bytes that are not marks. Holds back bytes that may begin a mark until more
 * of them are known. */
void osc633_feed(struct osc633 *osc633, const char *bytes, size_t length, struct buffer *out);

/* Returns whether bytes are held back. */
bool osc633_holds(const struct osc633 *osc633);

/* Passes the bytes that are held back, because their end is late: a program may have printed a lone
 * escape character. If they turn out to be a mark after all, only its rest is taken out. A C that
 * has shown its nonce is never passed; after OSC633_PATIENCE calls without new bytes it is
 * dropped. */
void osc633_release(struct osc633 *osc633, struct buffer *out);

#endif
