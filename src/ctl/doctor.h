/* SPDX-License-Identifier: MIT */
/* Checks everything that the service needs. vsayctl doctor prints the result, and vsayctl setup
 * ends with it. */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include "base/error.h"

struct json_object;

/* Checks the installation of `config` (NULL: the default) as the present user. Each result goes to
 * the array `results`, or if that is NULL, to standard output. ERR_CONFIG when a check has
 * failed. */
enum err doctor_examine(const char *config, struct json_object *results, struct error *e);

#endif
