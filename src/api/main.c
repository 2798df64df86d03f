/* SPDX-License-Identifier: MIT */
/* The vsay-api program: reads arguments and configuration, then runs the FastCGI or the CGI
 * gateway. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/cgi.h"
#include "api/listen.h"
#include "api/worker.h"
#include "base/log.h"
#include "store/db.h"

static const char usage[] =
    "Usage: vsay-api [--config FILE] [--listen unix:PATH | HOST:PORT]\n"
    "       vsay-api [--config FILE] [--listen ADDRESS] --check-config\n"
    "\n"
    "Serves the Sessions & Dashboard API over FastCGI, on a listening socket as\n"
    "descriptor 0 (spawn-fcgi, multiwatch, lighttpd), on systemd's socket, or on\n"
    "the one named by --listen; or over CGI, when a web server starts it.\n"
    "\n"
    "  -c, --config FILE     configuration (default: $VSAY_CONF, then\n"
    "                        " SYSCONFDIR "/vsay/vsay.conf)\n"
    "  -l, --listen ADDRESS  unix:PATH, HOST:PORT or [IPV6]:PORT\n"
    "      --check-config    check the configuration, print its first error, and exit\n"
    "  -h, --help            show this text\n"
    "  -V, --version         show the version\n";

struct arguments {
    const char *config, *listen;
    bool check_config;
};

/* Returns the exit status, or -1 to carry on. */
static int parse_arguments(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"listen", required_argument, NULL, 'l'},
        {"check-config", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "c:l:hV", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            out->config = optarg;
            break;
        case 'l':
            out->listen = optarg;
            break;
        case 'k':
            out->check_config = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        case 'V':
            puts(PACKAGE_STRING);
            return EXIT_SUCCESS;
        default:
            return 2;
        }
    }
    if (optind < argc) {
        log_say("vsay-api: unexpected argument '%s'; see vsay-api --help", argv[optind]);
        return 2;
    }
    return -1;
}

/* A listening socket means FastCGI; a CGI environment without one means CGI. */
static int serve(const struct settings *settings, struct auth *auth,
                 const struct arguments *arguments, struct error *e)
{
    bool cgi = getenv("GATEWAY_INTERFACE") != NULL;
    int listener = arguments->listen ? -1 : listen_inherited();

    if (arguments->listen && listen_on(arguments->listen, &listener, e))
        return EXIT_FAILURE;
    if (listener >= 0)
        return worker_run(settings, auth, listener);
    if (cgi)
        return cgi_run(settings, auth);
    fputs(usage, stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct settings settings;
    struct auth *auth = NULL;
    struct error e = {0};

    /* A web server may pass words of the query string as a CGI's arguments (RFC 3875 section
     * 4.4). */
    int status = getenv("GATEWAY_INTERFACE") ? -1 : parse_arguments(argc, argv, &arguments);
    if (status >= 0)
        return status;

    db_library_init();
    enum err err =
        settings_load("vsay-api", arguments.config, SETTINGS_DB | SETTINGS_KEYS, &settings, &e);
    if (!err)
        err = auth_new(&settings, arguments.config, &auth, &e);
    if (!err && arguments.listen)
        err = listen_check(arguments.listen, &e);
    status = EXIT_FAILURE;
    if (!err && arguments.check_config) {
        puts("vsay-api: the configuration is good");
        status = EXIT_SUCCESS;
    } else if (!err) {
        status = serve(&settings, auth, &arguments, &e);
    }
    if (status == EXIT_FAILURE && *e.detail && arguments.check_config)
        log_say("vsay-api: %s", e.detail);
    else if (status == EXIT_FAILURE && *e.detail)
        log_event(LEVEL_ERROR, "start", "detail=\"%s\"", e.detail);

    auth_free(auth);
    settings_free(&settings);
    db_library_end();
    return status;
}
