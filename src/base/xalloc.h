/* SPDX-License-Identifier: MIT */
/* Memory that cannot run out: failure to allocate ends the process. */
#ifndef BASE_XALLOC_H
#define BASE_XALLOC_H

#include <stddef.h>

void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);

/* printf into new memory; the caller frees. */
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
