/* SPDX-License-Identifier: MIT */
/* Changes to files that outlive a crash of the machine. */
#ifndef BASE_DURABLE_H
#define BASE_DURABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* Writes all of it at `offset`; false with errno set when it cannot. */
bool durable_write_at(int fd, const void *data, size_t length, off_t offset);

/* Makes the names in the directory of `path` durable. */
enum err durable_directory(const char *path, struct error *e);

/* Makes fd's bytes durable, then gives the file the name `path` instead of `temporary`. The name is
 * durable after durable_directory. */
enum err durable_rename(int fd, const char *temporary, const char *path, struct error *e);

/* Replaces the file `path` (mode 0600) by these bytes, whole or not at all. */
enum err durable_write(const char *path, const void *data, size_t length, struct error *e);

#endif
