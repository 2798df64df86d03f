/* SPDX-License-Identifier: MIT */
/* A growing byte buffer, such as output that waits for a socket. Zero-initialise before use. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>

struct buffer {
    char *bytes;
    size_t length, room;
};

void buffer_add(struct buffer *buffer, const void *bytes, size_t length);
void buffer_drop(struct buffer *buffer, size_t length); /* from the front */
void buffer_free(struct buffer *buffer);

#endif
