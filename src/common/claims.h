/* SPDX-License-Identifier: MIT */
/* Reads the claims of a verified token (RFC 7519 section 4).
 *
 * Identity providers name and nest their claims differently, so settings->auth lists the names for
 * each: the first claim that a token has counts. A name is that of a claim, or a path of members
 * joined by dots, such as realm_access.roles. JSON null counts as absent.
 *
 * A token is taken whole or refused: a claim that is present but malformed is never replaced by a
 * default, which might be somebody else. The signature was verified before. */
#ifndef COMMON_CLAIMS_H
#define COMMON_CLAIMS_H

#include <stdint.h>

#include "common/principal.h"
#include "common/settings.h"

struct json_object;

/* Fills *out from the claims, at `now` (Unix seconds). Machines have fixed claims: `role` agent,
 * `agent_id` and `generation`; Prometheus has `role` metrics and `user_id`. Both count only if
 * `is_ours`, that is, if one of auth.keys has signed the token: an identity provider's key speaks
 * for people only. ERR_TOKEN with the reason when the token is expired or not valid yet, is meant
 * for another service, or names no principal. */
enum err claims_read(const struct settings *settings, struct json_object *claims, bool is_ours,
                     int64_t now, struct principal *out, struct error *e);

#endif
