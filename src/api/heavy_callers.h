/* SPDX-License-Identifier: MIT */
/* Remembers heavy callers: those for whom the database recently read more than 100 rows. A batch of
 * reads would have to wait for them, and saves them nothing, so they run alone. Thread-safe, of
 * bounded size, one for the process. */
#ifndef API_HEAVY_CALLERS_H
#define API_HEAVY_CALLERS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/scope.h"

/* Whether a caller of the route `pattern` is known to be heavy. *measure: that was long ago, so its
 * rows should be counted again. */
bool heavy_callers_check(const char *pattern, const struct scope *caller, bool *measure);

/* Records that `rows` rows were read for the caller. */
void heavy_callers_note(const char *pattern, const struct scope *caller, uint64_t rows);

#endif
