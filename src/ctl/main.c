/* SPDX-License-Identifier: MIT */
/* vsayctl: parses the command line and runs a command. Exit status: 0, 1 (failed) or 2 (usage). */
#include "config.h"
#include "ctl/ctl.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mysqld_error.h>

#include "base/log.h"
#include "store/db.h"

enum { ER_ACCESS_DENIED_NO_PASSWORD = 1698 }; /* its name differs between client libraries */
enum { EXIT_USAGE = 2, OPTION_HELP = 256, OPTION_VERSION, OPTION_CONFIG, OPTION_JSON };

static const struct subcommand *const commands[] = {
    &cmd_setup,        &cmd_migrate,        &cmd_doctor,         &cmd_token, &cmd_machine_add,
    &cmd_machine_list, &cmd_machine_remove, &cmd_machine_rotate, &cmd_grant, &cmd_revoke,
    &cmd_session_list, &cmd_session_close,  &cmd_activity,       &cmd_purge,
};
static const size_t command_count = sizeof commands / sizeof *commands;

static bool in_group(const struct subcommand *subcommand, const char *group)
{
    size_t length = strlen(group);

    return strncmp(subcommand->name, group, length) == 0 && subcommand->name[length] == ' ';
}

static bool is_group(const char *word)
{
    for (size_t i = 0; i < command_count; i++) {
        if (in_group(commands[i], word))
            return true;
    }
    return false;
}

/* Lists all commands, or those whose first word is `group`. */
static void print_usage(FILE *out, const char *group)
{
    fprintf(out, "Usage: vsayctl [--config FILE] %s%sCOMMAND [options]\n\nCommands:\n",
            group ? group : "", group ? " " : "");
    for (size_t i = 0; i < command_count; i++) {
        if (!group || in_group(commands[i], group))
            fprintf(out, "  %-15s %s\n", commands[i]->name, commands[i]->summary);
    }
    if (group) {
        fprintf(out, "\nSee vsayctl %s COMMAND --help for the options of a command.\n", group);
        return;
    }
    fputs("\nOptions:\n"
          "  --config FILE  configuration file; otherwise $VSAY_CONF, otherwise\n"
          "                 " SYSCONFDIR "/vsay/vsay.conf\n"
          "  --help         print this, or with a command, its options\n"
          "  --version      print the version\n",
          out);
}

static void print_help(const struct subcommand *subcommand)
{
    const char *operand = subcommand->operand;

    printf("Usage: vsayctl [--config FILE] %s%s%s%s\n\n%s\n", subcommand->name, " [options]",
           operand ? " " : "", operand ? operand : "", subcommand->summary);
    puts("\nOptions:");
    for (const struct command_option *o = subcommand->options; o->name; o++) {
        int width = 24 - (int)strlen(o->name);
        printf("  --%s %-*s %s", o->name, width, o->argument ? o->argument : "", o->help);
        printf(o->fallback ? " (default: %s)\n" : "\n", o->fallback);
    }
    printf("  --%-25s print JSON\n", "json");
}

/* Advice when the database refuses the user: a step of the installation is missing. */
static const char *advice(const struct subcommand *subcommand, const struct error *e)
{
    switch (e->db_number) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD:
        return subcommand == &cmd_setup
                   ? "; name an administrator of the database with --admin, and the file with its "
                     "password with --admin-password-file"
                   : "; is db.user (VSAY_DB_USER) a user that vsayctl setup made, and its password "
                     "in db.password_file (VSAY_DB_PASSWORD_FILE)?";
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
        return subcommand == &cmd_setup ? ""
               : subcommand == &cmd_migrate
                   ? "; migrate as a database administrator: set VSAY_DB_USER, or run vsayctl setup"
                   : "; work as the user of grants-operator.sql: set VSAY_DB_USER; "
                     "vsayctl setup makes that user, and after an upgrade grants it what is new";
    default:
        return "";
    }
}

/* Prints the error, if any, and returns the exit status. `subcommand` is NULL before it is
 * known. */
static int finish(const struct subcommand *subcommand, enum err err, struct error *e)
{
    if (!err && (fflush(stdout) || ferror(stdout)))
        err = error_set(e, ERR_IO, "cannot write the output");
    if (!err)
        return EXIT_SUCCESS;
    log_say("vsayctl: %s%s", e->detail, advice(subcommand, e));
    return err == ERR_REQUEST ? EXIT_USAGE : EXIT_FAILURE;
}

/* Parses the options. Returns getopt's last result: OPTION_HELP, '?', or -1 at the end. */
static int parse_options(const struct subcommand *subcommand, int argc, char **argv,
                         struct invocation *invocation)
{
    struct option options[COMMAND_OPTIONS_MAX + 3] = {0};
    int count = 0, c;

    for (; subcommand->options[count].name; count++) {
        const struct command_option *o = &subcommand->options[count];
        options[count] =
            (struct option){o->name, o->argument ? required_argument : no_argument, NULL, count};
        invocation->values[count] = o->fallback;
    }
    options[count] = (struct option){"json", no_argument, NULL, OPTION_JSON};
    options[count + 1] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    optind = 0; /* tells getopt of a new argument list */
    while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (c == OPTION_JSON)
            invocation->json = true;
        else if (c < count && c != '?')
            invocation->values[c] = optarg ? optarg : subcommand->options[c].name;
        else
            break;
    }
    return c;
}

static enum err parse_operand(const struct subcommand *subcommand, int argc, char **argv,
                              struct invocation *invocation, struct error *e)
{
    if (subcommand->operand && optind < argc)
        invocation->operand = argv[optind++];
    if (optind < argc)
        return error_set(e, ERR_REQUEST, "unexpected argument '%s'", argv[optind]);
    return ERR_OK;
}

static int run_command(const struct subcommand *subcommand, const char *config, int argc,
                       char **argv)
{
    struct invocation invocation = {.config = config};
    struct error e = {0};

    switch (parse_options(subcommand, argc, argv, &invocation)) {
    case OPTION_HELP:
        print_help(subcommand);
        return finish(subcommand, ERR_OK, &e);
    case '?':
        return EXIT_USAGE;
    }
    if (parse_operand(subcommand, argc, argv, &invocation, &e))
        return finish(subcommand, ERR_REQUEST, &e);

    db_library_init();
    int status = finish(subcommand, subcommand->run(&invocation, &e), &e);
    db_library_end();
    return status;
}

/* Number of arguments that are the command's name: 0, 1 or 2. */
static int name_words(const struct subcommand *subcommand, int argc, char **argv)
{
    const char *space = strchr(subcommand->name, ' ');
    size_t length = space ? (size_t)(space - subcommand->name) : strlen(subcommand->name);

    if (strlen(argv[0]) != length || memcmp(argv[0], subcommand->name, length) != 0)
        return 0;
    if (!space)
        return 1;
    return argc > 1 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

static const struct subcommand *find_command(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < command_count; i++) {
        if ((*words = name_words(commands[i], argc, argv)))
            return commands[i];
    }
    return NULL;
}

/* Handles words that are not a command: prints the help of a group, or an error. */
static int explain(int argc, char **argv)
{
    bool group = is_group(argv[0]);
    struct error e = {0};

    if (group && argc > 1 && strcmp(argv[1], "--help") == 0) {
        print_usage(stdout, argv[0]);
        return finish(NULL, ERR_OK, &e);
    }
    error_set(&e, ERR_REQUEST, "no such command: %s%s%s; see vsayctl %s%s--help", argv[0],
              argc > 1 ? " " : "", argc > 1 ? argv[1] : "", group ? argv[0] : "", group ? " " : "");
    return finish(NULL, ERR_REQUEST, &e);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, OPTION_CONFIG},
                                            {"help", no_argument, NULL, OPTION_HELP},
                                            {"version", no_argument, NULL, OPTION_VERSION},
                                            {0}};
    static char program[] = "vsayctl";
    const char *config = NULL;
    struct error e = {0};

    argv[0] = program; /* in getopt's messages */
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        switch (c) {
        case OPTION_CONFIG:
            config = optarg;
            break;
        case OPTION_HELP:
            print_usage(stdout, NULL);
            return finish(NULL, ERR_OK, &e);
        case OPTION_VERSION:
            puts("vsayctl " PACKAGE_VERSION);
            return finish(NULL, ERR_OK, &e);
        default:
            return EXIT_USAGE;
        }
    }
    if (optind == argc) {
        print_usage(stderr, NULL);
        return EXIT_USAGE;
    }

    int words;
    const struct subcommand *subcommand = find_command(argc - optind, argv + optind, &words);
    if (!subcommand)
        return explain(argc - optind, argv + optind);
    optind += words - 1;
    argv[optind] = program;
    return run_command(subcommand, config, argc - optind, argv + optind);
}
