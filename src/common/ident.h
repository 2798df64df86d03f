/* SPDX-License-Identifier: MIT */
/* Identifiers of tenants, users, machines and sessions: `[A-Za-z0-9_.:-]{1,64}`. */
#ifndef COMMON_IDENT_H
#define COMMON_IDENT_H

#include <stdbool.h>
#include <stddef.h>

enum { IDENT_MAX = 64 };

bool ident_valid(const char *s, size_t length);

#endif
