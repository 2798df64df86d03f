/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/principal.h"

#include <string.h>

const char *const role_names[] = {
    [ROLE_USER] = "user",
    [ROLE_COMPANY_ADMIN] = "company_admin",
    [ROLE_SUPER_ADMIN] = "super_admin",
    [ROLE_AGENT] = "agent",
    [ROLE_METRICS] = "metrics",
    [ROLE_COUNT] = NULL,
};

bool role_from_name(const char *name, enum role *out)
{
    for (int i = 0; role_names[i]; i++) {
        if (strcmp(name, role_names[i]) == 0) {
            *out = (enum role)i;
            return true;
        }
    }
    return false;
}
