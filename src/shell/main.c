/* SPDX-License-Identifier: MIT */
/* vsay-shell: reads arguments and configuration, and decides what to run: a recorded session, or
 * only the shell when the configuration is broken or an outer vsay-shell records already.
 *
 * It stands in for a shell, and the programs that start one (login, sshd, editors) know only
 * the shell's options. So it takes few options of its own, and only before all others. */
#include "config.h"

#include <json.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arguments.h"
#include "common/protocol.h"
#include "machine/options.h"
#include "shell/shell_arguments.h"
#include "shell/open_report.h"
#include "shell/integration.h"
#include "shell/program.h"
#include "shell/session.h"
#include "base/log.h"
#include "base/xalloc.h"

enum { LOGIN, SOURCE, USER_ID, USERNAME, CONFIG, SHARE };

static const struct arguments_syntax syntax = {
    .program = "vsay-shell",
    .usage = {"[options] [shell's options] [-c COMMAND [ARGUMENT...]]",
              "[options] [shell's options] SCRIPT [ARGUMENT...]"},
    .about = "Runs a shell, or a command or script in it, as a session that is reported to\n"
             "vsay-agent. Use it as a login shell, as sshd's ForceCommand or behind a web\n"
             "terminal. All arguments after these options are passed to the shell. If they\n"
             "name no command or script, the shell runs $SSH_ORIGINAL_COMMAND, if that is set.",
    .options =
        {
            [LOGIN] = {"login", .help = "be a login shell"},
            [SOURCE] = {"source", "SOURCE",
                        .help = "ui, cli or vscode (default: $VSAY_SOURCE, then a guess)"},
            [USER_ID] = {"user-id", "ID",
                         .help = "the user to attribute the session to, for web terminals"},
            [USERNAME] = {"username", "NAME", .help = "the user's display name"},
            [CONFIG] = {"config", "FILE",
                        .help = "configuration (default: " SYSCONFDIR "/vsay/agent.conf)"},
            [SHARE] = {"share", "DIR", .help = "directory of the shell integration",
                       .fallback = PKGDATADIR "/shell"},
        },
};

struct arguments {
    const char *config, *share;
    struct session_attribution attribution;
    bool login;          /* our own name began with a dash */
    char **shell;        /* the shell's arguments, up to a NULL; the strings are borrowed */
    size_t count, first; /* the number of these, and of those that stood among our options */
};

static int refuse(const char *what, const char *why)
{
    log_say("vsay-shell: %s: %s", what, why);
    return ARGUMENTS_USAGE;
}

/* Returns -1 to continue, or the exit status. */
static int check_arguments(const struct arguments *arguments)
{
    const struct session_attribution *attribution = &arguments->attribution;

    if (attribution->source && !protocol_source(attribution->source))
        return refuse(attribution->source, "the source must be ui, cli or vscode");
    if (attribution->user_id &&
        !ident_valid_user(attribution->user_id, strlen(attribution->user_id)))
        return refuse(attribution->user_id, "a user id must be 1 to 128 ASCII characters without "
                                            "blanks, quotes or backslashes");
    if (attribution->username && !protocol_is_plain(attribution->username, MEMBER_NAME))
        return refuse(attribution->username, "a name must be 1 to 255 bytes of UTF-8 without "
                                             "control characters");
    return -1;
}

static void pass_on(struct arguments *out, char *argument)
{
    out->shell[out->count++] = argument;
    out->shell[out->count] = NULL;
}

static bool is_any(const char *argument, const char *a, const char *b)
{
    return strcmp(argument, a) == 0 || strcmp(argument, b) == 0;
}

/* --help and --version are ours only if they stand alone: with other arguments they are the
 * shell's. */
static bool asks_about_us(int argc, char **argv)
{
    return argc == 2 && (is_any(argv[1], "-h", "--help") || is_any(argv[1], "-V", "--version"));
}

/* Our options come first, mixed with -l, -i and --login, which the shell gets too. Any other
 * argument begins the shell's own. Returns -1 to continue, or the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *out)
{
    struct arguments_given given = {.values[SHARE] = syntax.options[SHARE].fallback};
    char **next = argv + 1;

    if (asks_about_us(argc, argv))
        return arguments_parse(&syntax, argc, argv, &given);
    for (int taken; *next; next += taken) {
        bool shells = is_any(*next, "-l", "--login") || strcmp(*next, "-i") == 0;
        taken = shells ? 1 : arguments_take(&syntax, next, &given);
        if (taken < 0)
            return ARGUMENTS_USAGE;
        if (taken == 0)
            break;
        if (shells)
            pass_on(out, *next);
    }
    out->first = out->count;
    while (*next)
        pass_on(out, *next++);
    out->config = given.values[CONFIG];
    out->share = given.values[SHARE];
    out->attribution = (struct session_attribution){.source = given.values[SOURCE],
                                                    .user_id = given.values[USER_ID],
                                                    .username = given.values[USERNAME]};
    return check_arguments(out);
}

/* Returns the command that the ssh client asked for when ForceCommand made sshd run us instead, or
 * NULL; the caller frees it. If our arguments name a command, the variable is left for that one,
 * which may be the ForceCommand's own script. */
static char *take_ssh_command(const struct shell_arguments *ours)
{
    const char *command = getenv("SSH_ORIGINAL_COMMAND");

    if (ours->command || !command || !*command)
        return NULL;
    char *copy = xstrdup(command);
    unsetenv("SSH_ORIGINAL_COMMAND");
    return copy;
}

/* Makes the shell run `command`. As under sshd, it is not a login shell then. */
static void run_command(struct arguments *arguments, const struct shell_arguments *ours,
                        char *command)
{
    static char option[] = "-c";

    arguments->login = false;
    arguments->count = 0;
    for (size_t i = 0; i < ours->count; i++)
        pass_on(arguments, ours->kept[i]);
    pass_on(arguments, option);
    pass_on(arguments, command);
}

/* Replaces --login by -l for shells that do not know it: it is our option, too, so it must work. */
static void translate_login(struct arguments *arguments, const char *shell)
{
    static char option[] = "-l";

    for (size_t i = 0; i < arguments->first && !shell_arguments_login_option(shell); i++) {
        if (strcmp(arguments->shell[i], "--login") == 0)
            arguments->shell[i] = option;
    }
}

/* Commands are recorded only where the shell reads them from a terminal, and where there is just
 * one. Without either, the shell reads a script from standard input. */
static int run_program(const struct agent_options *options, const struct arguments *arguments,
                       struct program *program, const struct shell_arguments *shell)
{
    struct session_request request = {
        .options = options, .program = program, .command = shell->command};
    char nonce[SECRET_SIZE], *why = NULL;

    request.on_pty = !request.command && isatty(STDIN_FILENO);
    if (!options || open_report_nested(request.on_pty)) {
        program_add_all(program, shell->given);
        return program_exec(program);
    }
    open_report_secret(nonce);
    request.nonce = nonce;
    request.open = open_report_make(&arguments->attribution, request.on_pty);
    if (request.on_pty)
        why = integration_set_up(program, arguments->share, nonce, shell);
    else
        program_add_all(program, shell->given);
    if (!request.on_pty && !request.command)
        why = xstrdup("they do not come from a terminal");
    request.not_recorded = why;
    int status = session_run(&request);
    free(why);
    return status;
}

/* The arguments are parsed a second time if sshd's command has joined them. */
static int run(const struct agent_options *options, struct arguments *arguments)
{
    char *path = program_find(options ? options->shell.program : "");
    const char *shell = program_base_name(path);
    struct shell_arguments parsed, without_command;
    struct program program;

    translate_login(arguments, shell);
    shell_arguments_parse(&parsed, shell, arguments->shell);
    char *command = take_ssh_command(&parsed);
    if (command) {
        without_command = parsed;
        run_command(arguments, &without_command, command);
        shell_arguments_parse(&parsed, shell, arguments->shell);
    }
    program_init(&program, path, arguments->login);
    int status = run_program(options, arguments, &program, &parsed);
    program_free(&program);
    shell_arguments_free(&parsed);
    if (command)
        shell_arguments_free(&without_command);
    free(command);
    return status;
}

/* With a broken configuration the shell runs unrecorded: a mistake must not lock all users out. */
int main(int argc, char **argv)
{
    struct arguments arguments = {.login = **argv == '-'};
    struct agent_options options;
    struct error e = {0};

    arguments.shell = xcalloc((size_t)argc + 3, sizeof *arguments.shell); /* "-c", command, NULL */
    int status = parse_arguments(argc, argv, &arguments);
    if (status >= 0) {
        free(arguments.shell);
        return status;
    }
    setlocale(LC_CTYPE, "C.UTF-8"); /* for the regular expressions of shell.mask */

    enum err err = agent_options_load(NULL, arguments.config, false, 0, &options, &e);
    if (err)
        log_say("vsay-shell: %s; this session is not recorded", e.detail);
    status = run(err ? NULL : &options, &arguments);
    agent_options_free(&options);
    free(arguments.shell);
    return status;
}
