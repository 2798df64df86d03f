/* SPDX-License-Identifier: MIT */
/* A growing byte buffer, such as output that waits for a terminal or a socket.
 *
 * Its room doubles, so that adding bytes one by one does not copy them each time. It has no limit:
 * a caller that adds what a peer sends must bound it itself. Zero-initialise before use. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>

struct buffer {
    char *bytes;
    size_t length, room;
};

void buffer_add(struct buffer *buffer, const void *bytes, size_t length);

/* Removes bytes from the front, and moves the rest there. */
void buffer_drop(struct buffer *buffer, size_t length);

void buffer_free(struct buffer *buffer);

#endif
