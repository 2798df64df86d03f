/* SPDX-License-Identifier: MIT */
/* Allocation that cannot fail: the process aborts when memory runs out. A supervisor restarts it,
 * and no caller needs an error path that no test would ever run.
 *
 * The services lose nothing by it: a transaction is rolled back, and the agent acknowledges a
 * report only when it is on disk. Callers must bound the sizes that a peer can choose. A size of 0
 * gives a pointer that can be freed, so NULL never means an empty thing. */
#ifndef BASE_XALLOC_H
#define BASE_XALLOC_H

#include <stddef.h>
#include <stdio.h>

void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);

/* Formats into new memory; the caller frees it. */
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A stream that writes to memory, for text whose length is not known beforehand. After xfclose,
 * *out has *length bytes and a NUL byte; the caller frees it. */
FILE *xmemstream(char **out, size_t *length);
void xfclose(FILE *stream);

#endif
