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

/* Writes a secret, or if it is NULL a random one, to a file of one line, unless the file exists;
 * then *made is false. ERR_IO. */
enum err setup_secret(const char *path, const char *secret, struct readers readers, bool *made,
                      struct error *e);

/* Overwrites and frees a secret, which may be NULL. */
void setup_wipe(char *secret);

/* Reads a text file of at most 1 MiB with file_read. The caller frees *out. */
enum err setup_read(const char *path, char **out, struct error *e);

/* Returns whether the text of a configuration sets the option: in its section, and not commented
 * out. */
bool setup_conf_has(const char *text, const char *section, const char *key);

/* Sets an option that is not set yet: replaces its `#key =`, or adds it at the beginning of its
 * section, or adds a new section at the end. Replaces *text. Comments and layout stay as they are:
 * the file belongs to its operator. */
void setup_conf_set(char **text, const char *section, const char *key, const char *value);

/* Writes the configuration file. An existing one keeps its owner and mode. ERR_CONFIG when the text
 * is not a valid configuration; the file is left unchanged. */
enum err setup_conf_write(const char *path, const char *text, struct error *e);

#endif
