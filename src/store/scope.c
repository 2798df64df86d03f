/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/scope.h"

#include <string.h>

struct scope scope_of(const struct principal *who)
{
    struct scope scope = {.kind = SCOPE_USER};

    if (who->role == ROLE_SUPER_ADMIN)
        scope.kind = SCOPE_ALL;
    else if (who->role == ROLE_COMPANY_ADMIN)
        scope.kind = SCOPE_TENANT;
    if (scope.kind != SCOPE_ALL)
        memcpy(scope.tenant_id, who->tenant_id, sizeof scope.tenant_id);
    if (scope.kind == SCOPE_USER)
        memcpy(scope.user_id, who->user_id, sizeof scope.user_id);
    return scope;
}

int scope_compare(const struct scope *a, const struct scope *b)
{
    int order = strcmp(a->tenant_id, b->tenant_id);

    return order ? order : strcmp(a->user_id, b->user_id);
}
