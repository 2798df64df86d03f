/* SPDX-License-Identifier: MIT */
/* Divides room that is too small among users: who needs least gets all of it, and what is left is
 * the same for the others. So nobody who takes much can take it from those who do not. */
#ifndef AGENT_FAIR_SHARE_H
#define AGENT_FAIR_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Zero-initialise. */
struct fair_share {
    struct share {
        uid_t uid;
        size_t bytes; /* needed; after fair_share_divide, too many */
    } * items;
    size_t count;
};

void fair_share_free(struct fair_share *fair_share);

/* That `uid` needs so many bytes more. */
void fair_share_need(struct fair_share *fair_share, uid_t uid, size_t bytes);

/* Divides `room` bytes. */
void fair_share_divide(struct fair_share *fair_share, size_t room);

/* Whether `uid` has too much yet; if so, it gives up `bytes`. */
bool fair_share_give_up(struct fair_share *fair_share, uid_t uid, size_t bytes);

#endif
