/* SPDX-License-Identifier: MIT */
/* vsay-shell: reads arguments and configuration, and decides what to run: a recorded session, or
 * only the shell when the configuration is broken or an outer vsay-shell records already. */
#include "config.h"

#include <json.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/protocol.h"
#include "machine/options.h"
#include "shell/shell_arguments.h"
#include "shell/open_report.h"
#include "shell/integration.h"
#include "shell/program.h"
#include "shell/session.h"
#include "base/log.h"
#include "base/xalloc.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "Usage: vsay-shell [options] [shell's options] [-c COMMAND [ARGUMENT...]]\n"
    "       vsay-shell [options] [shell's options] SCRIPT [ARGUMENT...]\n"
    "\n"
    "Runs a shell, or a command or script in it, as a session that is reported to vsay-agent.\n"
    "Use it as a login shell, as sshd's ForceCommand or behind a web terminal.\n"
    "\n"
    "      --login            be a login shell\n"
    "      --source SOURCE    ui, cli or vscode (default: $VSAY_SOURCE, then a guess)\n"
    "      --user-id ID       the user to attribute the session to, for web terminals\n"
    "      --username NAME    the user's display name\n"
    "      --config FILE      configuration (default: " SYSCONFDIR "/vsay/agent.conf)\n"
    "      --share DIR        shell integration (default: " PKGDATADIR "/shell)\n"
    "  -h, --help             show this text\n"
    "  -V, --version          show the version\n"
    "\n"
    "All arguments after these options are passed to the shell. If they name no command or\n"
    "script, the shell runs $SSH_ORIGINAL_COMMAND, if that is set.\n";

struct arguments {
    const char *config, *share;
    struct session_attribution identity;
    bool login;          /* our own name began with a dash */
    char **shell;        /* the shell's arguments, up to a NULL; the strings are borrowed */
    size_t count, first; /* the number of these, and of those that stood among our options */
};

static int refuse(const char *what, const char *why)
{
    log_say("vsay-shell: %s: %s", what, why);
    return EXIT_USAGE;
}

/* Returns -1 to continue, or the exit status. */
static int check_arguments(const struct arguments *arguments)
{
    const struct session_attribution *identity = &arguments->identity;

    if (identity->source && !protocol_source(identity->source))
        return refuse(identity->source, "the source must be ui, cli or vscode");
    if (identity->user_id && !ident_valid_user(identity->user_id, strlen(identity->user_id)))
        return refuse(identity->user_id, "a user id must be 1 to 128 ASCII characters without "
                                         "blanks, quotes or backslashes");
    if (identity->username && !protocol_is_plain(identity->username, MEMBER_NAME))
        return refuse(identity->username, "a name must be 1 to 255 bytes of UTF-8 without "
                                          "control characters");
    return -1;
}

static void pass_on(struct arguments *out, char *argument)
{
    out->shell[out->count++] = argument;
    out->shell[out->count] = NULL;
}

/* Returns where the value of one of our own options is stored, or NULL for other arguments. Sets
 * *value to the text after a '=', or to NULL. */
static const char **find_value(struct arguments *out, const char *argument, const char **value)
{
    const struct {
        const char *name;
        const char **value;
    } options[] = {{"--config", &out->config},
                   {"--share", &out->share},
                   {"--source", &out->identity.source},
                   {"--user-id", &out->identity.user_id},
                   {"--username", &out->identity.username}};

    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        size_t length = strlen(options[i].name);
        if (strncmp(argument, options[i].name, length) != 0)
            continue;
        *value = argument[length] == '=' ? argument + length + 1 : NULL;
        if (*value || !argument[length])
            return options[i].value;
    }
    return NULL;
}

static bool is_any(const char *argument, const char *a, const char *b)
{
    return strcmp(argument, a) == 0 || strcmp(argument, b) == 0;
}

/* Our options come first, mixed with -l, -i and --login, which the shell gets too. Any other
 * argument begins the shell's own. Returns -1 to continue, or the exit status. */
static int parse_arguments(char **argv, struct arguments *out)
{
    const char *only = argv[1] && !argv[2] ? argv[1] : "";
    char **next = argv + 1;

    if (is_any(only, "-h", "--help")) {
        fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    if (is_any(only, "-V", "--version")) {
        puts(PACKAGE_STRING);
        return EXIT_SUCCESS;
    }
    for (; *next; next++) {
        const char *value, **place = find_value(out, *next, &value);
        if (place && !value && !next[1])
            return refuse(*next, "needs a value");
        if (place)
            *place = value ? value : *++next;
        else if (is_any(*next, "-l", "--login") || strcmp(*next, "-i") == 0)
            pass_on(out, *next);
        else
            break;
    }
    out->first = out->count;
    while (*next)
        pass_on(out, *next++);
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
    request.open = open_report_make(&arguments->identity, request.on_pty);
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

static int run(const struct agent_options *options, struct arguments *arguments)
{
    char *path = program_find(options ? options->shell.program : "");
    const char *shell = program_shell(path);
    struct shell_arguments read, without_command;
    struct program program;

    translate_login(arguments, shell);
    shell_arguments_read(&read, shell, arguments->shell);
    char *command = take_ssh_command(&read);
    if (command) {
        without_command = read;
        run_command(arguments, &without_command, command);
        shell_arguments_read(&read, shell, arguments->shell);
    }
    program_init(&program, path, arguments->login);
    int status = run_program(options, arguments, &program, &read);
    program_free(&program);
    shell_arguments_free(&read);
    if (command)
        shell_arguments_free(&without_command);
    free(command);
    return status;
}

/* With a broken configuration the shell runs unrecorded: a mistake must not lock all users out. */
int main(int argc, char **argv)
{
    struct arguments arguments = {.share = PKGDATADIR "/shell", .login = **argv == '-'};
    struct agent_options options;
    struct error e = {0};

    arguments.shell = xcalloc((size_t)argc + 3, sizeof *arguments.shell); /* "-c", command, NULL */
    int status = parse_arguments(argv, &arguments);
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
