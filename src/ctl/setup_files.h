/* SPDX-License-Identifier: MIT */
/* The files that `vsayctl setup` writes. Each appears complete or not at all, so that an
 * interrupted setup can be run again. Existing files are kept; only the configuration is replaced,
 * and options that it sets stay. */
#ifndef CTL_SETUP_FILES_H
#define CTL_SETUP_FILES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* The users that may read a new file. */
struct readers {
    mode_t mode;
    gid_t group; /* (gid_t)-1: the creator's */
};

/* Writes a secret to a file of one line, unless the file exists; then *made is false. ERR_IO. */
enum err setup_secret(const char *path, const char *secret, struct readers readers, bool *made,
                      struct error *e);

/* A random secret: 64 hexadecimal digits, and what password policies require. The caller frees
 * it. */
enum err setup_random(char **out, struct error *e);

/* Reads a text file of at most 1 MiB with file_read. The caller frees *out. */
enum err setup_read(const char *path, char **out, struct error *e);

/* Writes the configuration file. An existing one keeps its owner and mode. ERR_CONFIG when the text
 * is not a valid configuration; the file is left unchanged. */
enum err setup_conf(const char *path, const char *text, struct error *e);

#endif
