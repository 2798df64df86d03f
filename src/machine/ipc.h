/* SPDX-License-Identifier: MIT */
/* Messages between vsay-agent and vsay-shell: one JSON object per packet, over a UNIX socket of
 * type SOCK_SEQPACKET. Their `type` is
 *
 *     from vsay-shell   open       the session; once on each connection, and when it has changed
 *                       command    a command's start, or its result under the same `seq`
 *                       activity   when the user typed something last; if the agent wants that
 *                       end        the session's end
 *     from vsay-agent   opened     the open report is accepted
 *                       refused    it is not; why
 *                       ack        the report with this `seq` is on disk
 *                       ended      an end is on disk
 *                       terminate  end the session; why
 *
 * Their members are those of the report to vsay (docs/agent-protocol.md), and these:
 *
 *     open       leader     the pid of the user's shell, the first process of the session
 *                drop_key   a secret, part of the handoff file's name if the plain name is taken
 *     command    lost       how many commands before it were dropped, since the queue was full
 *     activity   at         when, in ms since 1970
 *     end        gone       true: no process of the session is left
 *     opened     activity   true: the agent takes `activity`
 *     refused, terminate    reason, for the user
 *
 * The other side may be of another version, since a vsay-shell runs for as long as its session.
 * Both ignore members that they do not know. vsay-shell also ignores types, but an agent closes the
 * connection; so a new type is sent only to an agent that has asked for it, as for activity.
 *
 * Packets keep their boundaries, so neither side needs to parse a stream from a process that it
 * does not trust. A UNIX socket also tells the agent the peer's user and process (SO_PEERCRED),
 * which no token or password would do as well. Nothing here blocks: the agent serves all users of
 * a machine from one thread, and vsay-shell must not make a terminal wait for the agent. */
#ifndef MACHINE_IPC_H
#define MACHINE_IPC_H

#include <stddef.h>
#include <stdint.h>

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

/* Receives a packet; the caller releases *out (json_object_put). ERR_BUSY: there is none yet;
 * ERR_REQUEST: the packet was too large or not a JSON object, and was discarded; ERR_IO: the peer
 * has closed. */
enum err ipc_receive(int fd, struct json_object **out);

/* Parses a JSON object, which the caller releases (json_object_put). Returns NULL if the text is
 * not one. */
struct json_object *ipc_parse(const char *text, size_t length);

/* Returns a member's text, borrowed from the object, or NULL if it is missing or not a string. */
const char *ipc_text(const struct json_object *object, const char *member);

/* Returns a member's number, or 0 if it is missing. */
int64_t ipc_number(const struct json_object *object, const char *member);

/* Returns an array that is a member, borrowed from the object, or NULL. */
struct json_object *ipc_array(const struct json_object *object, const char *member);

/* Returns the text of an array's item, borrowed from the array, or "" if it is not a string. */
const char *ipc_text_at(const struct json_object *array, size_t index);

#endif
