/* SPDX-License-Identifier: MIT */
/* The vsay-api program: reads arguments and configuration, then runs the FastCGI or the CGI
 * gateway. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/cgi.h"
#include "api/listen.h"
#include "api/worker.h"
#include "base/arguments.h"
#include "base/log.h"
#include "store/db.h"

enum { CONFIG, LISTEN, CHECK_CONFIG };

static const struct arguments_syntax syntax = {
    .program = "vsay-api",
    .usage = {"[--config FILE] [--listen ADDRESS] [--check-config]"},
    .about = "Serves the Sessions & Dashboard API over FastCGI, on a listening socket as\n"
             "descriptor 0 (spawn-fcgi, multiwatch, lighttpd), on systemd's socket, or on\n"
             "the one named by --listen; or over CGI, when a web server starts it.",
    .options =
        {
            [CONFIG] = {"config", "FILE",
                        .help = "configuration (default: $VSAY_CONF, then " SYSCONFDIR
                                "/vsay/vsay.conf)",
                        .letter = 'c'},
            [LISTEN] = {"listen", "ADDRESS", .help = "unix:PATH, HOST:PORT or [IPV6]:PORT",
                        .letter = 'l'},
            [CHECK_CONFIG] = {"check-config",
                              .help = "check the configuration, print its first error, and exit"},
        },
};

/* A listening socket means FastCGI; a CGI environment without one means CGI. */
static int serve(const struct settings *settings, struct auth *auth, const char *address,
                 struct error *e)
{
    bool cgi = getenv("GATEWAY_INTERFACE") != NULL;
    int listener = address ? -1 : listen_inherited();

    if (address && listen_on(address, &listener, e))
        return EXIT_FAILURE;
    if (listener >= 0)
        return worker_run(settings, auth, listener);
    if (cgi)
        return cgi_run(settings, auth);
    arguments_print_help(&syntax, stderr);
    return ARGUMENTS_USAGE;
}

/* Keys are loaded before anything is served, so that a wrong one is an error at the start and not
 * one for each request. --check-config does the same and stops there: what it calls good must
 * start. */
int main(int argc, char **argv)
{
    struct arguments_given given = {0};
    struct settings settings;
    struct auth *auth = NULL;
    struct error e = {0};

    /* A web server may pass words of the query string as a CGI's arguments (RFC 3875 section
     * 4.4). */
    int status = getenv("GATEWAY_INTERFACE") ? -1 : arguments_parse(&syntax, argc, argv, &given);
    if (status >= 0)
        return status;
    const char *config = given.values[CONFIG], *address = given.values[LISTEN];
    bool check = given.values[CHECK_CONFIG];

    db_library_init();
    enum err err = settings_load("vsay-api", config, SETTINGS_DB | SETTINGS_KEYS, &settings, &e);
    if (!err)
        err = auth_new(&settings, config, &auth, &e);
    if (!err && address)
        err = listen_check(address, &e);
    status = EXIT_FAILURE;
    if (!err && check) {
        puts("vsay-api: the configuration is good");
        status = EXIT_SUCCESS;
    } else if (!err) {
        status = serve(&settings, auth, address, &e);
    }
    if (status == EXIT_FAILURE && *e.detail && check)
        log_say("vsay-api: %s", e.detail);
    else if (status == EXIT_FAILURE && *e.detail)
        log_event(LEVEL_ERROR, "start", "detail=\"%s\"", e.detail);

    auth_free(auth);
    settings_free(&settings);
    db_library_end();
    return status;
}
