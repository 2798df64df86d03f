/* SPDX-License-Identifier: MIT */
/* Counters and gauges of all workers of a service: a file in memory with a slot for each worker, so
 * that any of them can tell the sums. A worker that has ended, in whatever way, leaves its slot as
 * it is, and the next one goes on counting there: so the sums of counters never fall. Gauges, which
 * say how much there is of something now, count while their worker lives. */
#ifndef API_METRICS_MEMORY_H
#define API_METRICS_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct metrics_memory;

/* A worker adds to it; any process reads it. */
typedef _Atomic uint64_t metric;

enum { METRICS_SLOTS = 64 /* workers at a time */ };

/* What a slot holds. Workers that differ in `meaning`, a number for what each value stands for, do
 * not share a file. */
struct metrics_layout {
    uint64_t meaning;
    size_t counters, gauges;
};

/* Takes a slot in the file `path`, which is made if there is none, and made anew if it is of
 * another layout or was cut off. ERR_CONFIG when it cannot be used, or is no such file: *out is
 * memory of this process alone then, as it is for a path of NULL. Only one may be open at a time;
 * the caller frees it. */
enum err metrics_memory_open(const char *path, const struct metrics_layout *layout,
                             struct metrics_memory **out, struct error *e);

/* Nobody may count any more. NULL is fine. */
void metrics_memory_close(struct metrics_memory *memory);

/* The values of this process: counters, and gauges, which were set to 0. */
metric *metrics_memory_counters(const struct metrics_memory *memory);
metric *metrics_memory_gauges(const struct metrics_memory *memory);

/* Adds each counter of all slots to `sums`. */
void metrics_memory_sum(const struct metrics_memory *memory, uint64_t *sums);

/* The gauges of a slot; NULL when no worker that lives has it. */
const metric *metrics_memory_living(const struct metrics_memory *memory, size_t slot);

/* Whether other workers share it: false also after the file was cut off while it was in use, from
 * when on the process goes on with memory of its own, at 0. */
bool metrics_memory_shared(const struct metrics_memory *memory);

#endif
