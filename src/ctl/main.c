/* SPDX-License-Identifier: MIT */
/* The operator's command line. */
#include "config.h"
#include "ctl/ctl.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/db.h"

enum { EXIT_USAGE = 2, OPTION_HELP = 256, OPTION_VERSION, OPTION_CONFIG };

static const struct command *const commands[] = {&cmd_migrate, &cmd_token, &cmd_doctor};
static const size_t command_count = sizeof commands / sizeof *commands;

static void print_usage(FILE *out)
{
    fputs("Usage: vsayctl [--config FILE] COMMAND [options]\n\nCommands:\n", out);
    for (size_t i = 0; i < command_count; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nOptions:\n"
          "  --config FILE  configuration file; otherwise $VSAY_CONF, otherwise\n"
          "                 " SYSCONFDIR "/vsay/vsay.conf\n"
          "  --help         print this, or with a command, its options\n"
          "  --version      print the version\n",
          out);
}

static void print_help(const struct command *command)
{
    printf("Usage: vsayctl [--config FILE] %s%s\n\n%s\n", command->name,
           command->options[0].name ? " [options]" : "", command->summary);
    if (command->options[0].name)
        puts("\nOptions:");
    for (const struct command_option *o = command->options; o->name; o++) {
        int width = 22 - (int)strlen(o->name);
        printf("  --%s %-*s %s", o->name, width, o->argument, o->help);
        printf(o->fallback ? " (default: %s)\n" : "\n", o->fallback);
    }
}

/* The exit status; what went wrong goes to stderr. */
static int finish(enum err err, struct error *e)
{
    if (!err && (fflush(stdout) || ferror(stdout)))
        err = error_set(e, ERR_IO, "cannot write the output");
    if (!err)
        return EXIT_SUCCESS;
    fprintf(stderr, "vsayctl: %s\n", e->detail);
    return err == ERR_REQUEST ? EXIT_USAGE : EXIT_FAILURE;
}

static int run_command(const struct command *command, const char *config, int argc, char **argv)
{
    struct option options[COMMAND_OPTIONS_MAX + 2] = {0};
    const char *values[COMMAND_OPTIONS_MAX] = {0};
    struct error e = {0};
    int count = 0;

    for (; command->options[count].name; count++) {
        options[count] =
            (struct option){command->options[count].name, required_argument, NULL, count};
        values[count] = command->options[count].fallback;
    }
    options[count] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    optind = 0; /* starts a new argument list */
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?')
            return EXIT_USAGE;
        if (c == OPTION_HELP) {
            print_help(command);
            return finish(ERR_OK, &e);
        }
        values[c] = optarg;
    }
    if (optind < argc)
        return finish(error_set(&e, ERR_REQUEST, "unexpected argument '%s'", argv[optind]), &e);

    db_library_init();
    int status = finish(command->run(config, values, &e), &e);
    db_library_end();
    return status;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
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
            print_usage(stdout);
            return finish(ERR_OK, &e);
        case OPTION_VERSION:
            puts("vsayctl " PACKAGE_VERSION);
            return finish(ERR_OK, &e);
        default:
            return EXIT_USAGE;
        }
    }
    if (optind == argc) {
        print_usage(stderr);
        return EXIT_USAGE;
    }

    const struct command *command = find_command(argv[optind]);
    if (!command)
        return finish(
            error_set(&e, ERR_REQUEST, "no such command: %s; see vsayctl --help", argv[optind]),
            &e);
    argv[optind] = program;
    return run_command(command, config, argc - optind, argv + optind);
}
