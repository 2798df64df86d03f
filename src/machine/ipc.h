/* SPDX-License-Identifier: MIT */
/* What vsay-agent and vsay-shell say to each other: one JSON object a packet, over a UNIX socket of
 * type SOCK_SEQPACKET. */
#ifndef MACHINE_IPC_H
#define MACHINE_IPC_H

#include <stddef.h>

#include "base/error.h"

struct json_object;

enum { IPC_PACKET_MAX = 192 * 1024 };

/* Makes the directory of the socket at `path`, if there is none, for all to pass. */
void ipc_make_directory(const char *path);

/* Connects to the socket at `path`; *fd does not block. ERR_IO when nobody listens there. */
enum err ipc_connect(const char *path, int *fd, struct error *e);

/* Makes the socket's buffer large enough for the largest packet; ipc_connect has done so. */
void ipc_widen(int fd);

/* Never blocks, if `fd` does not. ERR_BUSY: not now, wait until it is writable; ERR_TOO_LARGE:
 * never; ERR_IO: the peer has gone. */
enum err ipc_send(int fd, struct json_object *object);

/* ERR_BUSY: there is nothing yet; ERR_REQUEST: a packet that is no JSON object or too large was
 * thrown away; ERR_IO: the peer has gone. The caller puts *out. */
enum err ipc_receive(int fd, struct json_object **out);

/* A JSON object, or NULL when the bytes are none. The caller puts it. */
struct json_object *ipc_parse(const char *text, size_t length);

/* The member's text, borrowed from the object; NULL when there is none or it is not a string. */
const char *ipc_text(const struct json_object *object, const char *member);

/* The same of an array's item, "" when it is none. */
const char *ipc_text_at(const struct json_object *array, size_t index);

#endif
