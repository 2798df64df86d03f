/* SPDX-License-Identifier: MIT */
/* The destination of a machine's token: a new file that only its owner may read, or standard
 * output.
 *
 * A rotated token revokes the old one, so it must not get lost: the new token is on the disk before
 * the database commits, and gets its name after. */
#ifndef CTL_TOKEN_FILE_H
#define CTL_TOKEN_FILE_H

#include "base/error.h"

struct token_file {
    const char *path; /* borrowed; NULL for standard output */
    char *temporary;  /* in the same directory; NULL: none */
    int fd;           /* the temporary file; -1: closed */
};

/* Creates the temporary file, so that an unwritable directory is found before anything has changed.
 * ERR_REQUEST when `path` exists and is not a regular file. */
enum err token_file_open(struct token_file *file, const char *path, struct error *e);

/* Writes and syncs the temporary file. May be repeated; the last token counts. */
enum err token_file_write(struct token_file *file, const char *token, struct error *e);

/* Renames the file to its path, or prints the token. If that fails, the error says where the token
 * is. */
enum err token_file_publish(struct token_file *file, const char *token, struct error *e);

/* Removes an unpublished file. */
void token_file_close(struct token_file *file);

#endif
