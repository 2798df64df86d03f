/* SPDX-License-Identifier: MIT */
/* Reads whole files, and writes files so that they survive a crash of the machine.
 *
 * A reader gets a bounded copy, so it never works on a file that changes below it. It refuses what
 * only looks like a file: a FIFO or a device would block the start, or never end. Secrets must not
 * be open to all users, since no later check could undo a leak.
 *
 * For durable writing a rename alone is not enough: the data must be synced before it, and the
 * directory after it, or a crash may leave an empty file or the old name. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* Raises the soft limit of open files to the hard limit, and returns it. The usual soft limit of
 * 1,024 is there for programs that use select(2), and less than a busy worker or agent has
 * connections. */
size_t file_raise_limit(void);

/* Reads a whole regular file of 1 to `max` bytes. *open_to_all says whether users other than its
 * owner and group have any access. ERR_CONFIG with the reason on failure. The caller frees *out;
 * *length excludes the added NUL byte. */
enum err file_read(const char *path, size_t max, char **out, size_t *length, bool *open_to_all,
                   struct error *e);

/* The same for a secret: ERR_CONFIG also when the file is open to all. */
enum err file_read_secret(const char *path, size_t max, char **out, size_t *length,
                          struct error *e);

/* Writes all bytes at `offset`. False, with errno set, on failure. */
bool file_write_at(int fd, const void *data, size_t length, off_t offset);

/* Syncs the directory of `path`, which makes new and changed names in it durable. */
enum err file_sync_directory(const char *path, struct error *e);

/* Syncs the file, then renames it from `temporary` to `path`. The new name is durable after
 * file_sync_directory. */
enum err file_sync_rename(int fd, const char *temporary, const char *path, struct error *e);

/* Replaces the file `path` (mode 0600) with these bytes, or leaves it as it was. */
enum err file_replace(const char *path, const void *data, size_t length, struct error *e);

#endif
