/* SPDX-License-Identifier: MIT */
/* What a caller may see. The rule is part of the SQL, and stands once in statements_rules.h: rows
 * that a caller may not see never leave the database, so that no handler can forget to filter
 * them. */
#ifndef STORE_SCOPE_H
#define STORE_SCOPE_H

#include "common/principal.h"

enum scope_kind {
    SCOPE_ALL,    /* super_admin: all tenants */
    SCOPE_TENANT, /* company_admin: its tenant */
    SCOPE_USER,   /* user: in its tenant, its own sessions and the machines it has access to */
    SCOPE_COUNT,
    SCOPE_TENANTS = SCOPE_COUNT, /* several callers of SCOPE_TENANT ... */
    SCOPE_USERS,                 /* ... or of SCOPE_USER, all of one tenant */
    SCOPE_FORMS
};

struct scope {
    enum scope_kind kind;
    char tenant_id[IDENT_MAX + 1]; /* "" for SCOPE_ALL */
    char user_id[USER_ID_MAX + 1]; /* "" unless SCOPE_USER */
};

struct scope scope_of(const struct principal *who);

/* Orders scopes of one kind. */
int scope_compare(const struct scope *a, const struct scope *b);

#endif
