/* SPDX-License-Identifier: MIT */
/* What all threads of one worker share. */
#ifndef API_APP_H
#define API_APP_H

#include "api/auth.h"
#include "api/watch.h"
#include "common/settings.h"

struct reply;

/* What a request may wait for, after it was answered with nothing yet; then it is asked again. */
enum wait_for {
    WAIT_NOTHING,
    WAIT_SIGNAL, /* for the machine of an agent */
    WAIT_END,    /* of a session */
    WAIT_COUNT
};

/* How parked requests leave. */
struct gateway {
    /* Hands an answer to one waiter, who is gone from board and watch. The reply stays the
     * caller's. */
    void (*deliver)(struct waiter *waiter, struct reply *reply);

    /* Has the body of one read, and goes on with route_resume. */
    void (*resume)(struct waiter *waiter);

    /* Whether its client has gone, so that nothing should be given to it; false when in doubt. */
    bool (*has_gone)(const struct waiter *waiter);

    /* Frees a waiter that is not answered. */
    void (*drop)(struct waiter *waiter);
};

struct app {
    const struct settings *settings;
    struct auth *auth;
    const struct gateway *gateway; /* this and the rest: NULL in CGI mode */
    struct board *board;
    struct watch *watches[WAIT_COUNT]; /* none for WAIT_NOTHING */
};

#endif
