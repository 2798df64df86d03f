/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

bool durable_write_at(int fd, const void *data, size_t length, off_t offset)
{
    const char *next = data;

    while (length) {
        ssize_t n = pwrite(fd, next, length, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        next += n;
        offset += n;
        length -= (size_t)n;
    }
    return true;
}

enum err durable_directory(const char *path, struct error *e)
{
    char *copy = xstrdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err err = ERR_OK;

    if (fd < 0 || fsync(fd))
        err = error_set(e, ERR_IO, "cannot sync the directory of %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(copy);
    return err;
}

enum err durable_rename(int fd, const char *temporary, const char *path, struct error *e)
{
    if (fsync(fd) || rename(temporary, path))
        return error_set(e, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return ERR_OK;
}

enum err durable_write(const char *path, const void *data, size_t length, struct error *e)
{
    char *temporary = xasprintf("%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum err err = ERR_OK;

    if (fd < 0 || !durable_write_at(fd, data, length, 0))
        err = error_set(e, ERR_IO, "cannot write %s: %s", temporary, strerror(errno));
    else
        err = durable_rename(fd, temporary, path, e);
    if (fd >= 0)
        close(fd);
    if (err)
        unlink(temporary);
    free(temporary);
    return err ? err : durable_directory(path, e);
}
