/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/xalloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* abort, not exit: it leaves a core file, and runs no handlers that would allocate again. */
static void *checked(void *p)
{
    if (!p) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t size)
{
    return checked(realloc(p, size ? size : 1));
}

char *xstrdup(const char *s)
{
    return checked(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
    return checked(strndup(s, n));
}

char *xasprintf(const char *format, ...)
{
    char *s = NULL;
    va_list args;

    va_start(args, format);
    int length = vasprintf(&s, format, args);
    va_end(args);
    return checked(length < 0 ? NULL : s);
}

FILE *xmemstream(char **out, size_t *length)
{
    return checked(open_memstream(out, length));
}

void xfclose(FILE *stream)
{
    checked(fclose(stream) == 0 ? stream : NULL);
}
