/* SPDX-License-Identifier: MIT */
/* Divides room that is too small among users: who needs least gets all of it, and what is left is
 * the same for the others. So nobody who takes much can take it from those who do not. */
#ifndef AGENT_SHARES_H
#define AGENT_SHARES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Zero-initialise. */
struct shares {
    struct share {
        uid_t uid;
        size_t bytes; /* needed; after shares_divide, too many */
    } * items;
    size_t count;
};

void shares_free(struct shares *shares);

/* That `uid` needs so many bytes more. */
void shares_need(struct shares *shares, uid_t uid, size_t bytes);

/* Divides `room` bytes. */
void shares_divide(struct shares *shares, size_t room);

/* Whether `uid` has too much yet; if so, it gives up `bytes`. */
bool shares_give_up(struct shares *shares, uid_t uid, size_t bytes);

#endif
