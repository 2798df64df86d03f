/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

static char *directory;

struct text fuzz_cut(struct text *rest, const char *separator)
{
    size_t skip = strlen(separator);
    const char *end = rest->length ? memmem(rest->bytes, rest->length, separator, skip) : NULL;
    struct text part = {rest->bytes, end ? (size_t)(end - rest->bytes) : rest->length};
    size_t used = part.length + (end ? skip : 0);

    if (used) {
        rest->bytes += used;
        rest->length -= used;
    }
    return part;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static void remove_directory(void)
{
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(directory);
}

/* In memory if possible, since the agent syncs what it writes. */
static const char *base(void)
{
    const char *chosen = getenv("TMPDIR");

    if (chosen && *chosen)
        return chosen;
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

char *fuzz_path(const char *name)
{
    if (!directory) {
        directory = xasprintf("%s/fuzz.XXXXXX", base());
        MUST(mkdtemp(directory));
        atexit(remove_directory);
    }
    return xasprintf("%s/%s", directory, name);
}

void fuzz_write(const char *path, const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    MUST(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
    close(fd);
}
