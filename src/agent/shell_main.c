/* SPDX-License-Identifier: MIT */
/* vsay-shell: arguments, configuration, and what to run in which way. */
#include "config.h"

#include <getopt.h>
#include <json.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/members.h"
#include "agent/options.h"
#include "agent/shell_identity.h"
#include "agent/shell_program.h"
#include "agent/shell_run.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "common/ident.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "Usage: vsay-shell [options]\n"
    "       vsay-shell [options] -c COMMAND [ARGUMENT...]\n"
    "       vsay-shell [options] SCRIPT [ARGUMENT...]\n"
    "\n"
    "Runs a shell, or a command or script in it, and reports that to vsay-agent as a session.\n"
    "Use it as a login shell, as sshd's ForceCommand or behind a web terminal.\n"
    "\n"
    "  -c COMMAND             run COMMAND (default: $SSH_ORIGINAL_COMMAND, if set)\n"
    "  -i                     with -c: have the shell be interactive\n"
    "  -l, --login            be a login shell\n"
    "      --source SOURCE    ui, cli or vscode (default: $VSAY_SOURCE, then a guess)\n"
    "      --user-id ID       whose session it is, for web terminals\n"
    "      --username NAME    the name that others see\n"
    "      --config FILE      configuration (default: " SYSCONFDIR "/vsay/agent.conf)\n"
    "      --share DIR        shell integration (default: " PKGDATADIR "/shell)\n"
    "  -h, --help             show this text\n"
    "  -V, --version          show the version\n";

struct arguments {
    const char *config, *share;
    char *command; /* borrowed */
    struct identity identity;
    bool login, interactive;
    char **rest; /* after the command; without one, a script and its arguments */
};

static int refuse(const char *what, const char *why)
{
    log_say("vsay-shell: %s: %s", what, why);
    return EXIT_USAGE;
}

/* Returns -1 to go on, or the exit status. */
static int check_arguments(const struct arguments *arguments)
{
    const struct identity *identity = &arguments->identity;

    if (identity->source && !members_source(identity->source))
        return refuse(identity->source, "the source is ui, cli or vscode");
    if (identity->user_id && !ident_valid(identity->user_id, strlen(identity->user_id)))
        return refuse(identity->user_id, "an id is 1 to 64 letters, digits and characters of _.:-");
    if (identity->username && !members_plain(identity->username, MEMBER_NAME))
        return refuse(identity->username, "a name is 1 to 255 bytes of UTF-8 without control "
                                          "characters");
    return -1;
}

static int parse_arguments(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'f'},
                                            {"share", required_argument, NULL, 'd'},
                                            {"source", required_argument, NULL, 's'},
                                            {"user-id", required_argument, NULL, 'u'},
                                            {"username", required_argument, NULL, 'n'},
                                            {"login", no_argument, NULL, 'l'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "+c:ilhV", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            out->command = optarg;
            break;
        case 'i':
            out->interactive = true;
            break;
        case 'l':
            out->login = true;
            break;
        case 'f':
            out->config = optarg;
            break;
        case 'd':
            out->share = optarg;
            break;
        case 's':
            out->identity.source = optarg;
            break;
        case 'u':
            out->identity.user_id = optarg;
            break;
        case 'n':
            out->identity.username = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        case 'V':
            puts(PACKAGE_STRING);
            return EXIT_SUCCESS;
        default:
            return EXIT_USAGE;
        }
    }
    out->rest = argv + optind;
    return check_arguments(out);
}

/* The command or script that runs without a terminal of ours, with its arguments. */
static void add_command(struct program *program, const struct arguments *arguments)
{
    static char interactive[] = "-i", command[] = "-c";

    if (arguments->command && arguments->interactive)
        program_add(program, interactive);
    if (arguments->command) {
        program_add(program, command);
        program_add(program, arguments->command);
    }
    for (char **rest = arguments->rest; *rest; rest++)
        program_add(program, *rest);
}

static int run(const struct agent_options *options, const struct arguments *arguments)
{
    struct run_request request = {.options = options};
    struct program program;
    char nonce[SECRET_SIZE];

    request.command = arguments->command ? arguments->command : *arguments->rest;
    request.on_pty = !request.command && isatty(STDIN_FILENO);
    program_init(&program, options ? options->shell.program : "", arguments->login);
    add_command(&program, arguments);
    if (!options || identity_nested(request.on_pty))
        return program_exec(&program);

    identity_secret(nonce);
    request.program = &program;
    request.nonce = nonce;
    request.open = identity_open(&arguments->identity, request.on_pty);
    char *why = NULL;
    if (request.on_pty)
        why = program_integrate(&program, arguments->share, nonce, arguments->login);
    else if (!request.command)
        why = xstrdup("they do not come from a terminal");
    request.not_recorded = why;
    int status = run_session(&request);
    free(why);
    program_free(&program);
    return status;
}

/* Without a command, takes the one that sshd was asked to run before ForceCommand had it run us.
 * Like sshd, no login shell runs it. Otherwise it is for the command, which may be such a
 * ForceCommand itself. The caller frees the result. */
static char *take_ssh_command(struct arguments *arguments)
{
    const char *command = getenv("SSH_ORIGINAL_COMMAND");

    if (arguments->command || *arguments->rest || !command || !*command)
        return NULL;
    arguments->login = false;
    arguments->command = xstrdup(command);
    unsetenv("SSH_ORIGINAL_COMMAND");
    return arguments->command;
}

/* A mistake in the configuration must not lock everybody out. */
int main(int argc, char **argv)
{
    static char name[] = "vsay-shell";
    struct arguments arguments = {.share = PKGDATADIR "/shell", .login = *argv[0] == '-'};
    struct agent_options options;
    struct error e = {0};

    argv[0] = name; /* in getopt's messages */
    int status = parse_arguments(argc, argv, &arguments);
    if (status >= 0)
        return status;
    char *command = take_ssh_command(&arguments);
    setlocale(LC_CTYPE, "C.UTF-8"); /* of the patterns that mask */

    enum err err = agent_options_load(NULL, arguments.config, false, &options, &e);
    if (err)
        log_say("vsay-shell: %s; this session is not recorded", e.detail);
    status = run(err ? NULL : &options, &arguments);
    agent_options_free(&options);
    free(command);
    return status;
}
