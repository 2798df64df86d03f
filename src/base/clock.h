/* SPDX-License-Identifier: MIT */
/* The monotonic clock, which no change of the date disturbs. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);
int64_t clock_us(void);

#endif
