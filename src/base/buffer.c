/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

void buffer_add(struct buffer *buffer, const void *bytes, size_t length)
{
    if (length > buffer->room - buffer->length) {
        buffer->room = 2 * (buffer->length + length);
        buffer->bytes = xrealloc(buffer->bytes, buffer->room);
    }
    if (length)
        memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

void buffer_drop(struct buffer *buffer, size_t length)
{
    buffer->length -= length;
    if (buffer->length)
        memmove(buffer->bytes, buffer->bytes + length, buffer->length);
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
