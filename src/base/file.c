/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"

/* --- reading ------------------------------------------------------------- */

/* Reads `size` bytes, or fewer if the file has become shorter since its size was asked for. */
static enum err read_all(int fd, const char *path, size_t size, char **out, size_t *length,
                         struct error *e)
{
    char *data = xcalloc(1, size + 1);
    size_t got = 0;
    ssize_t n = 1;

    while (got < size && n > 0) {
        n = read(fd, data + got, size - got);
        if (n > 0)
            got += (size_t)n;
    }
    if (n < 0) {
        free(data);
        return error_set(e, ERR_CONFIG, "cannot read %s: %s", path, strerror(errno));
    }
    *out = data;
    *length = got;
    return ERR_OK;
}

/* All files that are read whole are small. The limit keeps a wrong path, such as that of a disk
 * image, from filling the memory. */
static enum err check_file(const struct stat *st, const char *path, size_t max, struct error *e)
{
    if (!S_ISREG(st->st_mode))
        return error_set(e, ERR_CONFIG, "%s is not a regular file", path);
    if (st->st_size == 0)
        return error_set(e, ERR_CONFIG, "%s is empty", path);
    if ((size_t)st->st_size > max)
        return error_set(e, ERR_CONFIG, "%s is longer than %zu bytes", path, max);
    return ERR_OK;
}

enum err file_read(const char *path, size_t max, char **out, size_t *length, bool *open_to_all,
                   struct error *e)
{
    struct stat st;

    /* O_NONBLOCK: opening a FIFO must not block the start */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_set(e, ERR_CONFIG, "cannot open %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_CONFIG;
    }
    /* of the open file: the path may lead to another one by now */
    *open_to_all = (st.st_mode & S_IRWXO) != 0;
    enum err err = check_file(&st, path, max, e);
    if (!err)
        err = read_all(fd, path, (size_t)st.st_size, out, length, e);
    close(fd);
    return err;
}

enum err file_read_secret(const char *path, size_t max, char **out, size_t *length, struct error *e)
{
    bool open_to_all;
    enum err err = file_read(path, max, out, length, &open_to_all, e);

    if (!err && open_to_all) {
        explicit_bzero(*out, *length); /* not to be found in freed memory */
        free(*out);
        *out = NULL;
        return error_set(e, ERR_CONFIG, "%s is open to all users: chmod o= %s", path, path);
    }
    return err;
}

/* --- durable writing ------------------------------------------------------ */

/* One call may write a part only, when the disk fills up or a signal arrives. */
bool file_write_at(int fd, const void *data, size_t length, off_t offset)
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

enum err file_sync_directory(const char *path, struct error *e)
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

enum err file_sync_rename(int fd, const char *temporary, const char *path, struct error *e)
{
    if (fsync(fd) || rename(temporary, path))
        return error_set(e, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return ERR_OK;
}

/* The temporary file is in the same directory, since a rename stays within a file system. Its name
 * is always the same, so what a crash left behind is overwritten and does not pile up. */
enum err file_replace(const char *path, const void *data, size_t length, struct error *e)
{
    char *temporary = xasprintf("%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum err err = ERR_OK;

    if (fd < 0 || !file_write_at(fd, data, length, 0))
        err = error_set(e, ERR_IO, "cannot write %s: %s", temporary, strerror(errno));
    else
        err = file_sync_rename(fd, temporary, path, e);
    if (fd >= 0)
        close(fd);
    if (err)
        unlink(temporary);
    free(temporary);
    return err ? err : file_sync_directory(path, e);
}

size_t file_raise_limit(void)
{
    struct rlimit limit = {0};

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}
