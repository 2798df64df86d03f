/* SPDX-License-Identifier: MIT */
/* What vsay-shell reports, checked and made into what agent-protocol.md wants; `uid`, whose report
 * it is, is an addition. The caller puts what these return. */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct json_object;

/* NULL when the packet is malformed. Without `seq`, which is the caller's; and the user is as the
 * packet has it, which attribute_session has to judge. */
struct json_object *report_opening(const struct json_object *packet, uid_t uid);

/* NULL when the packet is malformed; *seq is 0 when even that is. */
struct json_object *report_command(const struct json_object *packet, const char *session_id,
                                   uid_t uid, int64_t *seq);

/* What of the packet is malformed is left out. */
struct json_object *report_end(const struct json_object *packet, const char *session_id, uid_t uid);

/* When the packet says that the session's user was active, since 1970 in ms, and never in the
 * future; 0: malformed. */
int64_t report_activity(const struct json_object *packet);

/* Whether vsay-shell says that it had ended the session, and so all of it. */
bool report_end_of_all(const struct json_object *packet);
/* Whether it says that nothing of the session is left. */
bool report_all_gone(const struct json_object *packet);

/* The end that the agent itself saw now. */
struct json_object *report_own_end(const char *session_id, uid_t uid, const char *reason);

#endif
