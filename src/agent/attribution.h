/* SPDX-License-Identifier: MIT */
/* Decides which user a session is attributed to. The kernel tells the uid of vsay-shell's process;
 * a different user may only be named by users that the administrator trusts, such as a web
 * terminal's. The sender calls this when an open report leaves the spool, because the name service
 * may hang, and the main thread, which kills sessions, must not wait for it. */
#ifndef AGENT_ATTRIBUTION_H
#define AGENT_ATTRIBUTION_H

struct json_object;
struct strlist;

/* Sets `user_id` and `username` of an open report. Names that the report brings along stay if its
 * `uid` is root, this process's own, or that of a user in `trusted`; otherwise the names of `uid`
 * replace them. Asks the name service, which may block for long. */
void attribute_session(struct json_object *opening, const struct strlist *trusted);

#endif
