/* SPDX-License-Identifier: MIT */
/* Takes the shell integration's marks out of a terminal's output: the sequences
 *     ESC ] 633 ; E ; command line ; nonce BEL     before a command runs
 *     ESC ] 633 ; D ; exit status ; nonce BEL      before the next prompt
 * (or ESC \ in place of BEL) that carry the session's nonce. Everything else passes unchanged and
 * in order. */
#ifndef AGENT_SHELL_OSC_H
#define AGENT_SHELL_OSC_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/shell_buffer.h"

/* Longer sequences are none of ours: the integration cuts a command to 64 Ki characters. Each takes
 * at most four bytes, escaped or not. */
enum { OSC_MAX = 257 * 1024 };

struct osc;

/* `mark` is 'E' or 'D'; `text` is what stands before the nonce, as it came. It is borrowed for the
 * call. */
typedef void osc_on_mark(void *context, char mark, const char *text, size_t length);

/* `nonce` and `context` are borrowed for the life of the object. */
struct osc *osc_new(const char *nonce, osc_on_mark *on_mark, void *context);
void osc_free(struct osc *osc);

/* Appends to `out` what passes. What may be the beginning of a mark is held back until more is
 * known. */
void osc_feed(struct osc *osc, const char *bytes, size_t length, struct buffer *out);

bool osc_holds(const struct osc *osc);

/* Passes what is held back: its end is late. It may still turn out to be a mark, whose rest then
 * does not pass. */
void osc_release(struct osc *osc, struct buffer *out);

#endif
