/* SPDX-License-Identifier: MIT */
/* Which program a process runs, and whether that was replaced by another (exec). */
#ifndef SHELL_IMAGE_H
#define SHELL_IMAGE_H

#include <stdbool.h>
#include <sys/types.h>

struct image {
    dev_t device;
    ino_t inode;         /* 0: none */
    unsigned long stack; /* where the kernel put the stack, anew with each exec; 0: not known */
    unsigned long child_faults; /* page faults of children that it has waited for; no part of it */
};

/* Of the executable file; its stack is not known. */
bool image_of_file(const char *path, struct image *out);

/* Of a process; false when it cannot be seen. */
bool image_of_process(pid_t pid, struct image *out);

/* Whether both are the same; the stacks too, if both are known. */
bool image_same(const struct image *a, const struct image *b);

/* The name of the file that the process runs; the caller frees it. */
char *image_name(pid_t pid);

#endif
