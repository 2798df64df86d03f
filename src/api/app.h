/* SPDX-License-Identifier: MIT */
/* What all threads of one worker share. */
#ifndef API_APP_H
#define API_APP_H

#include "api/auth.h"
#include "api/board.h"
#include "common/settings.h"

struct app {
    const struct settings *settings;
    struct auth *auth;
    struct board *board; /* NULL in CGI mode */
};

#endif
