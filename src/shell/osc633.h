/* SPDX-License-Identifier: MIT */
/* Takes the shell integration's marks out of a terminal's output, which carry the session's nonce:
 *     ESC ] 633 ; B ; status ; nonce BEL    a command begins that a C will name when it has ended
 *     ESC ] 633 ; C ; nonce ; status ; history entry ; nonce BEL    before a command runs
 *     ESC ] 633 ; D ; status ; nonce BEL                            before the next prompt
 *     ESC ] 633 ; U ; reason ; nonce BEL                            commands are not recorded
 * The entry is as the shell's history prints it, with any bytes, and empty when that does not have
 * the command; the status of B and C is that of the command before. The others have no control
 * characters, and may end with ESC \ in place of BEL. Everything else passes unchanged and in
 * order. */
#ifndef SHELL_OSC633_H
#define SHELL_OSC633_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* Of a longer C the entry's end is left out; longer sequences of other kinds are none of ours. A
 * command is recorded up to COMMAND_TEXT_MAX, and the terminal may double its line feeds. */
enum { OSC633_MAX = 160 * 1024 };

enum { OSC633_PATIENCE = 50 };

struct osc633;

/* `mark` is the letter; `text` is what stands before the last nonce, as it came. It is borrowed for
 * the call. */
typedef void osc633_on_mark(void *context, char mark, const char *text, size_t length);

/* `nonce` and `context` are borrowed for the life of the object. */
struct osc633 *osc633_new(const char *nonce, osc633_on_mark *on_mark, void *context);
void osc633_free(struct osc633 *osc633);

/* Appends to `out` what passes. What may be the beginning of a mark is held back until more is
 * known. */
void osc633_feed(struct osc633 *osc633, const char *bytes, size_t length, struct buffer *out);

bool osc633_holds(const struct osc633 *osc633);

/* Passes what is held back: its end is late. It may still turn out to be a mark, whose rest then
 * does not pass. A C that has shown its nonce never passes; after OSC633_PATIENCE calls without
 * anything new its end is no longer waited for. */
void osc633_release(struct osc633 *osc633, struct buffer *out);

#endif
