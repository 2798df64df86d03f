/* SPDX-License-Identifier: MIT */
/* A place in a list that is ordered by time and id: where a page ends and the next one begins. */
#ifndef STORE_POSITION_H
#define STORE_POSITION_H

#include <stdint.h>

struct position {
    char at[27]; /* UTC, `2026-02-06T12:00:00.123000`; "": none */
    uint64_t id;
};

#endif
