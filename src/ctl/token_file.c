/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/token_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"

enum err token_file_open(struct token_file *file, const char *path, struct error *e)
{
    struct stat st;

    *file = (struct token_file){.path = path, .fd = -1};
    if (!path)
        return ERR_OK;
    if (!*path)
        return error_set(e, ERR_REQUEST, "--out: is empty");
    /* Renaming onto a device or a symbolic link, such as /dev/stdout, would replace it. */
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return error_set(e, ERR_REQUEST, "--out: %s is not a regular file", path);

    char *temporary = xasprintf("%s.XXXXXX", path);
    file->fd = mkstemp(temporary); /* mode 0600 */
    if (file->fd < 0) {
        int number = errno;
        free(temporary);
        return error_set(e, ERR_IO, "cannot write %s: %s", path, strerror(number));
    }
    file->temporary = temporary;
    return ERR_OK;
}

enum err token_file_write(struct token_file *file, const char *token, struct error *e)
{
    if (!file->path)
        return ERR_OK;
    errno = 0;
    if (ftruncate(file->fd, 0) || lseek(file->fd, 0, SEEK_SET) < 0 ||
        dprintf(file->fd, "%s\n", token) != (int)strlen(token) + 1 || fsync(file->fd))
        return error_set(e, ERR_IO, "cannot write %s: %s", file->path,
                         strerror(errno ? errno : ENOSPC));
    return ERR_OK;
}

enum err token_file_publish(struct token_file *file, const char *token, struct error *e)
{
    if (!file->path) {
        puts(token);
        return ERR_OK;
    }
    /* The database has committed: the old token is void, and this file must survive any error. */
    char *written = file->temporary;
    file->temporary = NULL; /* the only copy from now on */
    enum err err = ERR_OK;
    if (rename(written, file->path))
        err = error_set(e, ERR_IO, "cannot rename %s, which has the new token, to %s: %s", written,
                        file->path, strerror(errno));
    free(written);
    return err;
}

void token_file_close(struct token_file *file)
{
    if (file->temporary)
        unlink(file->temporary);
    free(file->temporary);
    file->temporary = NULL;
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
