/* SPDX-License-Identifier: MIT */
/* File changes that survive a crash of the machine. A rename alone is not enough: the data must be
 * synced before it, and the directory after it, or a crash may leave an empty file or the old
 * name. */
#ifndef BASE_DURABLE_H
#define BASE_DURABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* Writes all bytes at `offset`. False, with errno set, on failure. */
bool durable_write_at(int fd, const void *data, size_t length, off_t offset);

/* Syncs the directory of `path`, which makes new and changed names in it durable. */
enum err durable_directory(const char *path, struct error *e);

/* Syncs the file, then renames it from `temporary` to `path`. The new name is durable after
 * durable_directory. */
enum err durable_rename(int fd, const char *temporary, const char *path, struct error *e);

/* Replaces the file `path` (mode 0600) with these bytes, or leaves it as it was. */
enum err durable_write(const char *path, const void *data, size_t length, struct error *e);

#endif
