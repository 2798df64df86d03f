/* SPDX-License-Identifier: MIT */
/* Where a machine's token goes: a new file that only its owner may read, or standard output.
 * The file appears whole or not at all. */
#ifndef CTL_TOKEN_FILE_H
#define CTL_TOKEN_FILE_H

#include "base/error.h"

struct token_file {
    const char *path; /* borrowed; NULL for standard output */
    char *temporary;  /* beside it; NULL when there is none */
    int fd;           /* of the temporary file; -1: closed */
};

/* Makes the temporary file, so that a place that cannot be written is found before anything has
 * changed. ERR_REQUEST when something other than a regular file is at `path`. */
enum err token_file_open(struct token_file *file, const char *path, struct error *e);

/* Brings the token onto the disk, but not yet to its place. May be repeated: the last one counts.
 */
enum err token_file_write(struct token_file *file, const char *token, struct error *e);

/* Puts what was written into its place, or prints it. If that fails, the error tells where it is.
 */
enum err token_file_publish(struct token_file *file, const char *token, struct error *e);

/* Removes what was not published. */
void token_file_close(struct token_file *file);

#endif
