/* SPDX-License-Identifier: MIT */
/* Shared memory for metrics: a file mapped by all workers of a service, with a slot for each, so
 * that any of them can report the sums.
 *
 * A slot is owned through a lock on one byte of the file, which the kernel releases however the
 * process ends. The next worker takes over the slot and continues its counters, so sums never fall
 * and nothing needs repair after a crash. Gauges count only while their worker lives. */
#ifndef API_METRICS_MEMORY_H
#define API_METRICS_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct metrics_memory;

/* Its worker adds to it; any process may read it. */
typedef _Atomic uint64_t metric;

enum { METRICS_SLOTS = 64 /* workers at a time */ };

/* The contents of a slot. `meaning` hashes what each value stands for; workers that differ in it do
 * not share a file. */
struct metrics_layout {
    uint64_t meaning;
    size_t counters, gauges;
};

/* Takes a slot in the file `path`. Creates the file if there is none, or if it has another layout
 * or was truncated. On ERR_CONFIG (the file cannot be used, or is not ours), and with a NULL path,
 * *out is private memory. Only one may be open at a time; the caller closes it. */
enum err metrics_memory_open(const char *path, const struct metrics_layout *layout,
                             struct metrics_memory **out, struct error *e);

/* No thread may count any more. NULL is fine. */
void metrics_memory_close(struct metrics_memory *memory);

/* This process's counters, and gauges, which start at 0. */
metric *metrics_memory_counters(const struct metrics_memory *memory);
metric *metrics_memory_gauges(const struct metrics_memory *memory);

/* Adds the counters of all slots to `sums`. */
void metrics_memory_sum(const struct metrics_memory *memory, uint64_t *sums);

/* The gauges of a slot; NULL unless a live worker owns it. */
const metric *metrics_memory_live_gauges(const struct metrics_memory *memory, size_t slot);

/* Returns whether the memory is shared. False also after the file was truncated while in use: then
 * the process goes on with private memory, at 0. */
bool metrics_memory_shared(const struct metrics_memory *memory);

#endif
