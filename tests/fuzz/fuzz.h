/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share. Each target is a program with LLVMFuzzerTestOneInput: libFuzzer's
 * with --enable-fuzzer, else one that replays its corpus (replay.c). A target aborts when what it
 * tests is wrong, and leaves nothing behind from one input to the next. */
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

/* Takes what comes before the next `separator` off `rest`, or all of it. */
struct text fuzz_cut(struct text *rest, const char *separator);

/* A path in a directory of this process, which is removed at its end. The caller frees it. */
char *fuzz_path(const char *name);

/* Replaces the file `path` (mode 0600) by these bytes. */
void fuzz_write(const char *path, const void *bytes, size_t length);

#endif
