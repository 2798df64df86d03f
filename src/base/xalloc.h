/* SPDX-License-Identifier: MIT */
/* Memory that cannot run out: failure to allocate ends the process. */
#ifndef BASE_XALLOC_H
#define BASE_XALLOC_H

#include <stddef.h>
#include <stdio.h>

void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);

/* printf into new memory; the caller frees. */
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A stream that writes to memory: after xfclose *out is that text, with a NUL byte after its
 * *length bytes; the caller frees it. */
FILE *xmemstream(char **out, size_t *length);
void xfclose(FILE *stream);

#endif
