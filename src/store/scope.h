/* SPDX-License-Identifier: MIT */
/* What a caller may see. Written as SQL once, in statements_rules.h. */
#ifndef STORE_SCOPE_H
#define STORE_SCOPE_H

#include "common/principal.h"

enum scope_kind {
    SCOPE_ALL,    /* super_admin: everything */
    SCOPE_TENANT, /* company_admin: its tenant */
    SCOPE_USER,   /* user: within its tenant, its own and what it has access to */
    SCOPE_COUNT,
    SCOPE_TENANTS = SCOPE_COUNT, /* several callers of the one kind ... */
    SCOPE_USERS,                 /* ... or of the other, all of one tenant */
    SCOPE_FORMS
};

struct scope {
    enum scope_kind kind;
    char tenant_id[IDENT_MAX + 1]; /* "" for SCOPE_ALL */
    char user_id[USER_ID_MAX + 1]; /* "" but for SCOPE_USER */
};

struct scope scope_of(const struct principal *who);

/* Orders scopes of one kind. */
int scope_compare(const struct scope *a, const struct scope *b);

#endif
