/* SPDX-License-Identifier: MIT */
/* Identifies the program that a process runs, to detect that another program has replaced it
 * (exec). */
#ifndef SHELL_IMAGE_H
#define SHELL_IMAGE_H

#include <stdbool.h>
#include <sys/types.h>

struct image {
    dev_t device;
    ino_t inode;                /* 0: none */
    unsigned long stack;        /* the stack's address, random after each exec; 0: not known */
    unsigned long child_faults; /* page faults of children it has waited for; not compared */
};

/* Identifies an executable file; its `stack` is not known. */
bool image_of_file(const char *path, struct image *out);

/* Identifies the program of a process. Returns false when it cannot be seen. */
bool image_of_process(pid_t pid, struct image *out);

/* Returns whether both are the same program, and the same exec of it if both stacks are known. */
bool image_same(const struct image *a, const struct image *b);

/* Returns the base name of the file that a process runs; the caller frees it. */
char *image_name(pid_t pid);

#endif
