/* SPDX-License-Identifier: MIT */
/* What all threads of one worker share. */
#ifndef API_APP_H
#define API_APP_H

#include <stdatomic.h>

#include "api/auth.h"
#include "api/watch.h"
#include "common/settings.h"

/* What a request may wait for, after it was answered with nothing yet; then it is asked again. */
enum wait_for {
    WAIT_NOTHING,
    WAIT_SIGNAL, /* for the machine of an agent */
    WAIT_END,    /* of a session */
    WAIT_COUNT
};

struct app {
    const struct settings *settings;
    struct auth *auth;
    struct board *board;               /* this and the rest: NULL in CGI mode */
    struct watch *watches[WAIT_COUNT]; /* none for WAIT_NOTHING */
    atomic_size_t connections;         /* that are open */
    size_t connections_max;            /* before descriptors run short */
};

#endif
