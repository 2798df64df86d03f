/* SPDX-License-Identifier: MIT */
/* Resource limits of this process. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stddef.h>

/* Raises the soft limit of open file descriptors to the hard limit, and returns it. The default
 * soft limit of 1,024 is less than a busy worker or agent has connections. */
size_t limits_descriptors(void);

#endif
