/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/principal.h"

#include <string.h>

#include "base/xalloc.h"

/* As in tokens, settings and the audit. */
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

/* Returns whether it is the name of a person's role. Relies on the order of enum role: people's
 * roles come first. */
static bool is_person(const char *name, enum role *out)
{
    return role_from_name(name, out) && *out <= ROLE_SUPER_ADMIN;
}

const char *role_check_mapping(const char *item)
{
    const char *colon = strrchr(item, ':');
    enum role role;

    if (!colon || colon == item)
        return "is not VALUE:ROLE";
    return is_person(colon + 1, &role) ? NULL
                                       : "does not end in user, company_admin or super_admin";
}

/* With a mapping, only its values count: a provider's value that happens to be called like a role
 * is no role of ours. */
bool role_from_claim(const struct strlist *mapping, const char *value, enum role *out)
{
    if (mapping->count == 0)
        return is_person(value, out);
    for (size_t i = 0; i < mapping->count; i++) {
        const char *colon = strrchr(mapping->items[i], ':');
        size_t length = (size_t)(colon - mapping->items[i]);
        if (strlen(value) == length && strncmp(value, mapping->items[i], length) == 0)
            return is_person(colon + 1, out);
    }
    return false;
}

char *role_to_claim(const struct strlist *mapping, enum role role)
{
    if (mapping->count == 0 || role > ROLE_SUPER_ADMIN)
        return xstrdup(role_names[role]);
    for (size_t i = 0; i < mapping->count; i++) {
        const char *colon = strrchr(mapping->items[i], ':');
        if (strcmp(colon + 1, role_names[role]) == 0)
            return xstrndup(mapping->items[i], (size_t)(colon - mapping->items[i]));
    }
    return NULL;
}
