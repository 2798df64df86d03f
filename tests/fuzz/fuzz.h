/* SPDX-License-Identifier: MIT */
/* Shared by the fuzz targets. Each target is a program with LLVMFuzzerTestOneInput, run by
 * libFuzzer with --enable-fuzzer, and otherwise by replay.c on its corpus. A target aborts when the
 * code under test is wrong, and carries no state from one input to the next. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A part of the input; may hold any byte. */
struct text {
    const char *bytes;
    size_t length;
};

/* Removes and returns the part of `rest` before the next `separator`; all of it if there is
 * none. */
struct text fuzz_cut(struct text *rest, const char *separator);

/* A path in this process's own directory, which is removed at exit. The caller frees it. */
char *fuzz_path(const char *name);

/* Writes the file `path` (mode 0600). */
void fuzz_write(const char *path, const void *bytes, size_t length);

#endif
