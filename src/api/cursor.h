/* SPDX-License-Identifier: MIT */
/* Paging cursors: a keyset position as text that needs no escaping in a URL. A cursor grants
 * nothing: each page is read in its caller's scope. */
#ifndef API_CURSOR_H
#define API_CURSOR_H

#include <stdbool.h>

#include "store/db.h"

enum { CURSOR_MAX = 48 };

void cursor_format(const struct position *position, char out[CURSOR_MAX + 1]);

/* False unless cursor_format could have written `text`. */
bool cursor_parse(const char *text, struct position *out);

#endif
