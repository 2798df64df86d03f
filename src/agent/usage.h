/* SPDX-License-Identifier: MIT */
/* Measures how busy the machine is, in percent, for the heartbeat. */
#ifndef AGENT_USAGE_H
#define AGENT_USAGE_H

#include <stdint.h>

/* Zero-initialise. */
struct usage {
    uint64_t busy, total; /* CPU time up to the last reading */
};

struct usage_figures {
    double cpu, memory, disk;
};

/* Returns the CPU's load since the last reading (the first time: since boot), the memory that the
 * kernel could not give back, and the use of the file system of `disk` as df computes it. A figure
 * that cannot be read is 0, and logged. */
struct usage_figures usage_read(struct usage *usage, const char *disk);

#endif
