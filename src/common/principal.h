/* SPDX-License-Identifier: MIT */
/* The principal of a request: the user, machine or scraper that its token names; and the roles, in
 * which an identity provider's tokens have values of their own.
 *
 * The roles are here and not with the other claims, because the settings need them too: they check
 * auth.roles, and claims.c reads the settings. */
#ifndef COMMON_PRINCIPAL_H
#define COMMON_PRINCIPAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "common/protocol.h"

/* The roles of people come first, the strongest last. */
enum role { ROLE_USER, ROLE_COMPANY_ADMIN, ROLE_SUPER_ADMIN, ROLE_AGENT, ROLE_METRICS, ROLE_COUNT };

/* NULL-terminated, indexed by enum role. */
extern const char *const role_names[];

/* False: there is no such role. */
bool role_from_name(const char *name, enum role *out);

/* The setting auth.roles: items VALUE:ROLE, in which VALUE is one of the role claim. It may hold
 * colons itself, as URLs do, so the last one counts. An empty list stands for the roles' own names.
 * Only people's roles can be mapped: a machine's token is always vsay's own. */

/* Returns NULL, or what is wrong with the item (static). */
const char *role_check_mapping(const char *item);

/* False: the value stands for no role. */
bool role_from_claim(const struct strlist *mapping, const char *value, enum role *out);

/* The value that stands for `role`; NULL if there is none. The caller frees it. */
char *role_to_claim(const struct strlist *mapping, enum role role);

enum { USERNAME_MAX = 255 }; /* bytes */

struct principal {
    enum role role;
    char user_id[USER_ID_MAX + 1]; /* ROLE_AGENT: the agent_id */
    char tenant_id[IDENT_MAX + 1];
    char username[USERNAME_MAX + 1];
    int64_t generation;  /* ROLE_AGENT: valid while it is the machine's token_generation */
    int64_t expires_at;  /* Unix seconds: the token's exp */
    int64_t valid_until; /* the same plus leeway: from then on the token is refused */
};

#endif
