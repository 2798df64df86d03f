/* SPDX-License-Identifier: MIT */
/* How busy this machine is, in percent. */
#ifndef AGENT_USAGE_H
#define AGENT_USAGE_H

#include <stdint.h>

/* Zero-initialise. */
struct usage {
    uint64_t busy, total; /* CPU time until the last reading */
};

struct usage_figures {
    double cpu, memory, disk;
};

/* The CPU since the last reading, or the first time since the boot; memory without what the kernel
 * can give back; the file system of `disk`, as df counts. What cannot be read is 0, and logged. */
struct usage_figures usage_read(struct usage *usage, const char *disk);

#endif
