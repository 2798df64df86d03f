/* SPDX-License-Identifier: MIT */
/* Divides too little room among users by max-min fairness: users that need little keep all they
 * need, and the rest is split equally among the others. So one user that runs many commands cannot
 * push the commands of others out of a full spool. */
#ifndef AGENT_FAIR_SHARE_H
#define AGENT_FAIR_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Zero-initialise. */
struct fair_share {
    struct share {
        uid_t uid;
        size_t bytes; /* needed; after fair_share_divide, the excess that must go */
    } * items;
    size_t count;
};

void fair_share_free(struct fair_share *fair_share);

/* Adds `bytes` to what `uid` needs. */
void fair_share_need(struct fair_share *fair_share, uid_t uid, size_t bytes);

/* Divides `room` bytes among the users. */
void fair_share_divide(struct fair_share *fair_share, size_t room);

/* Returns whether `uid` still exceeds its share; if so, counts `bytes` as given up. */
bool fair_share_give_up(struct fair_share *fair_share, uid_t uid, size_t bytes);

#endif
