/* SPDX-License-Identifier: MIT */
/* The files that `vsayctl setup` makes: each appears whole, or not at all, and none is replaced but
 * the configuration, in which what is set stays. */
#ifndef CTL_SETUP_FILES_H
#define CTL_SETUP_FILES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* Who may read a new file. */
struct readers {
    mode_t mode;
    gid_t group; /* (gid_t)-1: that of whoever makes it */
};

/* Makes the file of one line that a secret is in, unless there is one: then *made is false.
 * ERR_IO. */
enum err setup_secret(const char *path, const char *secret, struct readers readers, bool *made,
                      struct error *e);

/* 64 hexadecimal digits at random, and what password policies ask for besides. The caller frees. */
enum err setup_random(char **out, struct error *e);

/* Reads a text file of up to 1 MiB, as conf_read_file does. The caller frees *out. */
enum err setup_read(const char *path, char **out, struct error *e);

/* Writes the configuration file; one that is there keeps its owner and mode. ERR_CONFIG when the
 * text is no good as a configuration: the file stays as it was. */
enum err setup_conf(const char *path, const char *text, struct error *e);

#endif
