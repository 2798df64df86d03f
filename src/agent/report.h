/* SPDX-License-Identifier: MIT */
/* Parses the reports of vsay-shells and turns them into the records that docs/agent-protocol.md
 * defines, with one addition: `uid`, the user whose report it is. Nothing in a report is trusted. A
 * record that vsay refuses holds up the spool until it is dropped, so everything is checked here,
 * by vsay's own rules (common/protocol.h). A fuzz target checks that vsay accepts what is made
 * here. The caller releases the result of each function (json_object_put). */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct json_object;

/* Makes an open record, or returns NULL when the packet is malformed. The caller adds `seq`. The
 * user is as the packet claims; session_open_attribute checks that later. */
struct json_object *report_opening(const struct json_object *packet, uid_t uid);

/* Makes a command record, or returns NULL when the packet is malformed. Sets *seq to the command's
 * number, or to 0 when that is malformed. */
struct json_object *report_command(const struct json_object *packet, const char *session_id,
                                   uid_t uid, int64_t *seq);

/* Makes an end record. Leaves out malformed members, since the end itself must be reported. */
struct json_object *report_end(const struct json_object *packet, const char *session_id, uid_t uid);

/* Returns when the user was last active (ms since 1970, at most now), or 0 when malformed. */
int64_t report_activity(const struct json_object *packet);

/* Returns whether vsay-shell reports that it ended the whole session itself. */
bool report_end_of_all(const struct json_object *packet);
/* Returns whether vsay-shell reports that no process of the session is left. */
bool report_all_gone(const struct json_object *packet);

/* Makes the record of an end that the agent itself observed just now. */
struct json_object *report_own_end(const char *session_id, uid_t uid, const char *reason);

#endif
