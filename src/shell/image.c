/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/image.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"

enum { CHILD_FAULTS = 11, STACK = 28 }; /* fields of /proc/PID/stat; proc(5) */

bool image_of_file(const char *path, struct image *out)
{
    struct stat st;

    *out = (struct image){0};
    if (stat(path, &st) < 0)
        return false;
    out->device = st.st_dev;
    out->inode = st.st_ino;
    return true;
}

/* Returns a field of /proc/PID/stat, 0 if missing. Counts from the last ')', because the name in
 * parentheses may contain anything. */
static unsigned long find_field(const char *text, int number)
{
    const char *at = strrchr(text, ')'); /* ends field 2 */

    for (int field = 2; at && field < number; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoul(at, NULL, 10) : 0;
}

static void find_fields(pid_t pid, struct image *out)
{
    char path[64], text[1024];
    size_t length = 0;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file) {
        length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
    }
    text[length] = '\0';
    out->stack = find_field(text, STACK);
    out->child_faults = find_field(text, CHILD_FAULTS);
}

bool image_of_process(pid_t pid, struct image *out)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/exe", (long)pid);
    if (!image_of_file(path, out))
        return false;
    find_fields(pid, out);
    return true;
}

bool image_same(const struct image *a, const struct image *b)
{
    return a->device == b->device && a->inode == b->inode &&
           (!a->stack || !b->stack || a->stack == b->stack);
}

char *image_name(pid_t pid)
{
    char path[64], target[PATH_MAX];

    snprintf(path, sizeof path, "/proc/%ld/exe", (long)pid);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0)
        return xstrdup("another program");
    target[length] = '\0';
    const char *slash = strrchr(target, '/');
    return xstrdup(slash ? slash + 1 : target);
}
