/* SPDX-License-Identifier: MIT */
/* Bytes that wait to be written. Zero-initialise before use. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>

struct buffer {
    char *bytes;
    size_t length, room;
};

void buffer_add(struct buffer *buffer, const void *bytes, size_t length);
void buffer_drop(struct buffer *buffer, size_t length); /* the first ones */
void buffer_free(struct buffer *buffer);

#endif
