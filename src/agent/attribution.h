/* SPDX-License-Identifier: MIT */
/* Whose session it is. */
#ifndef AGENT_ATTRIBUTION_H
#define AGENT_ATTRIBUTION_H

struct json_object;
struct strlist;

/* Makes `user_id` and `username` of an opening what vsay shall believe: those that are there stay
 * if its `uid` is root, this process's own or one of `trusted` users; otherwise the session is that
 * of `uid`. Asks the name service, which may take long. */
void attribute_session(struct json_object *opening, const struct strlist *trusted);

#endif
