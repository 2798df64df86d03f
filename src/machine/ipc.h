/* SPDX-License-Identifier: MIT */
/* Messages between vsay-agent and vsay-shell: one JSON object per packet, over a UNIX socket of
 * type SOCK_SEQPACKET. Packets keep their boundaries, so neither side needs to parse a stream from
 * a process that it does not trust. */
#ifndef MACHINE_IPC_H
#define MACHINE_IPC_H

#include <stddef.h>

#include "base/error.h"

struct json_object;

enum { IPC_PACKET_MAX = 192 * 1024 };

/* Creates the directory of the socket at `path` if it is missing, with mode 0755. */
void ipc_make_directory(const char *path);

/* Connects to the socket at `path`, with a non-blocking descriptor. ERR_IO: nothing listens
 * there. */
enum err ipc_connect(const char *path, int *fd, struct error *e);

/* Makes the socket's send buffer large enough for the largest packet. ipc_connect does this. */
void ipc_widen(int fd);

/* Sends a packet. ERR_BUSY: the buffer is full, wait until `fd` is writable; ERR_TOO_LARGE: the
 * packet exceeds IPC_PACKET_MAX; ERR_IO: the peer has closed. */
enum err ipc_send(int fd, struct json_object *object);

/* Receives a packet; the caller puts *out. ERR_BUSY: there is none yet; ERR_REQUEST: the packet was
 * too large or not a JSON object, and was discarded; ERR_IO: the peer has closed. */
enum err ipc_receive(int fd, struct json_object **out);

/* Parses a JSON object, which the caller puts. Returns NULL if the text is not one. */
struct json_object *ipc_parse(const char *text, size_t length);

/* Returns a member's text, borrowed from the object, or NULL if it is missing or not a string. */
const char *ipc_text(const struct json_object *object, const char *member);

/* Returns the text of an array's item, borrowed from the array, or "" if it is not a string. */
const char *ipc_text_at(const struct json_object *array, size_t index);

#endif
