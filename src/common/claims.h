/* SPDX-License-Identifier: MIT */
/* What the claims of a verified token say (RFC 7519 section 4). settings->auth names the claims
 * that tell who a person is: each a list, of which the first that the token has counts. A name is
 * that of a claim, or else a path of members with dots between them, such as realm_access.roles.
 * JSON null counts as absent. */
#ifndef COMMON_CLAIMS_H
#define COMMON_CLAIMS_H

#include <stdint.h>

#include "common/principal.h"
#include "common/settings.h"

struct json_object;

/* Whom the claims name, and until when, at `now` (Unix seconds). Those of a machine are always
 * `role` agent, `agent_id` and `generation`; those of Prometheus, `role` metrics and `user_id`.
 * Both count only if `is_ours`. ERR_TOKEN with the reason when the token is not good now, not meant
 * for us, or names nobody. */
enum err claims_read(const struct settings *settings, struct json_object *claims, bool is_ours,
                     int64_t now, struct principal *out, struct error *e);

/* How a token says `role`: a value that claims_read takes for it; NULL when auth.roles has none.
 * The caller frees it. */
char *claims_role_value(const struct settings *settings, enum role role);

/* What is wrong with an item of auth.roles, VALUE:ROLE; NULL: nothing. */
const char *claims_check_role(const char *item);

#endif
