/* SPDX-License-Identifier: MIT */
/* What the kernel lets this process have. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stddef.h>

/* Raises the soft limit of open descriptors to the hard one, and returns it. */
size_t limits_descriptors(void);

#endif
