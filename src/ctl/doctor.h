/* SPDX-License-Identifier: MIT */
/* Whether all that the service needs is there. */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include "base/error.h"

struct json_object;

/* Checks the site of `config` (NULL: the default) as the present user. Each check goes to
 * `results`, an array, or when NULL to the standard output. ERR_CONFIG when one has failed. */
enum err doctor_examine(const char *config, struct json_object *results, struct error *e);

#endif
