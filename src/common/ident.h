/* SPDX-License-Identifier: MIT */
/* Identifiers. Those of tenants, machines and sessions are `[A-Za-z0-9_.:-]{1,64}`; those of users
 * are what identity providers make of them, such as `auth0|5f7c` or `jane@example.com`: 1 to 128
 * bytes of printable ASCII without space, quotes (" ' `) and backslash. */
#ifndef COMMON_IDENT_H
#define COMMON_IDENT_H

#include <stdbool.h>
#include <stddef.h>

enum { IDENT_MAX = 64, USER_ID_MAX = 128 };

bool ident_valid(const char *s, size_t length);
bool ident_valid_user(const char *s, size_t length);

#endif
