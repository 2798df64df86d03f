/* SPDX-License-Identifier: MIT */
/* What vsay-shell reports, checked and made into what agent-protocol.md wants. The caller puts what
 * these return. */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include <stdint.h>
#include <sys/types.h>

struct json_object;
struct strlist;

/* NULL when the packet is malformed. It may name another user if `uid` is root, this process's own
 * or one of `trusted` users; otherwise the session is that of `uid`. */
struct json_object *report_opening(const struct json_object *packet, uid_t uid,
                                   const struct strlist *trusted, int64_t seq);

/* NULL when the packet is malformed; *seq is 0 when even that is. */
struct json_object *report_command(const struct json_object *packet, const char *session_id,
                                   int64_t *seq);

/* What of the packet is malformed is left out. */
struct json_object *report_end(const struct json_object *packet, const char *session_id);

/* The end that the agent itself saw now. */
struct json_object *report_own_end(const char *session_id, const char *reason);

#endif
