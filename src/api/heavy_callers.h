/* SPDX-License-Identifier: MIT */
/* Which callers are heavy: the database read many rows for them lately. They gain nothing from a
 * batch of reads, which would have to wait for them, so they are loaded alone. Thread-safe, of
 * bounded size, one for the process. */
#ifndef API_HEAVY_CALLERS_H
#define API_HEAVY_CALLERS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/scope.h"

/* Whether a caller of the route `pattern` is known to be heavy. *measure: it was found out long
 * ago, so its rows should be counted again. */
bool heavy_callers_check(const char *pattern, const struct scope *caller, bool *measure);

/* After so many rows were read for it. */
void heavy_callers_note(const char *pattern, const struct scope *caller, uint64_t rows);

#endif
