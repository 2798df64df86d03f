/* SPDX-License-Identifier: MIT */
/* The principal of a request: the user, machine or scraper that its token names. */
#ifndef COMMON_PRINCIPAL_H
#define COMMON_PRINCIPAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol.h"

/* The roles of people come first, the strongest last. */
enum role { ROLE_USER, ROLE_COMPANY_ADMIN, ROLE_SUPER_ADMIN, ROLE_AGENT, ROLE_METRICS, ROLE_COUNT };

/* NULL-terminated, indexed by enum role. */
extern const char *const role_names[];

/* False: there is no such role. */
bool role_from_name(const char *name, enum role *out);

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
