/* SPDX-License-Identifier: MIT */
/* vsayctl: parses the command line and runs a command. Exit status: 0, 1 (failed) or 2 (usage).
 *
 * Two command lines are parsed one after the other: the options of vsayctl itself, up to the
 * command's name, and the command's own, from the table in its cmd_*.c. */
#include "config.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mysqld_error.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "store/db.h"

#define PROGRAM "vsayctl"
#define BEFORE "[--config FILE]"

enum { ER_ACCESS_DENIED_NO_PASSWORD = 1698 }; /* its name differs between client libraries */
enum { CONFIG };

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

/* Lists all commands, or those whose first word is `group`. The caller frees the text. */
static char *list_commands(const char *group)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = xmemstream(&text, &length);

    fputs("Commands:\n", stream);
    for (size_t i = 0; i < command_count; i++) {
        if (!group || in_group(commands[i], group))
            fprintf(stream, "  %-15s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(stream, "\nSee vsayctl %s%sCOMMAND --help for the options of a command.",
            group ? group : "", group ? " " : "");
    xfclose(stream);
    return text;
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
    return err == ERR_REQUEST ? ARGUMENTS_USAGE : EXIT_FAILURE;
}

/* The syntax of a command: its options, and --json as the last of them, at `json`. */
static struct arguments_syntax syntax_of(const struct subcommand *subcommand, size_t *json)
{
    struct arguments_syntax syntax = {.program = PROGRAM,
                                      .before = BEFORE,
                                      .command = subcommand->name,
                                      .about = subcommand->summary,
                                      .operand = subcommand->operand};
    size_t i = 0;

    for (; subcommand->options[i].name; i++)
        syntax.options[i] = subcommand->options[i];
    syntax.options[i] = (struct arguments_option){"json", .help = "print JSON"};
    *json = i;
    return syntax;
}

static int run_command(const struct subcommand *subcommand, const char *config, int argc,
                       char **argv)
{
    size_t json;
    const struct arguments_syntax syntax = syntax_of(subcommand, &json);
    struct arguments_given given;
    struct error e = {0};
    int status = arguments_parse(&syntax, argc, argv, &given);

    if (status >= 0)
        return status;
    const struct invocation invocation = {.config = config,
                                          .operand = given.operands[0],
                                          .values = given.values,
                                          .json = given.values[json]};
    db_library_init();
    status = finish(subcommand, subcommand->run(&invocation, &e), &e);
    db_library_end();
    return status;
}

/* Some names are two words, such as `machine add`: an object and what to do with it.
 *
 * Number of arguments that are the command's name: 0, 1 or 2. */
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

/* Parses what follows the first word of several commands, which should have been the second word of
 * one. Returns -1 if it is no option. */
static int explain_group(int argc, char **argv)
{
    char *commands_of_group = list_commands(argv[0]);
    const struct arguments_syntax syntax = {.program = PROGRAM,
                                            .before = BEFORE,
                                            .command = argv[0],
                                            .usage = {"COMMAND [options]"},
                                            .about = commands_of_group,
                                            .leading = true};
    struct arguments_given given;
    int status = arguments_parse(&syntax, argc, argv, &given);

    free(commands_of_group);
    return status;
}

/* Handles words that are not a command: prints the help of a group, or an error. */
static int explain(int argc, char **argv)
{
    bool group = is_group(argv[0]);
    struct error e = {0};
    int status = group ? explain_group(argc, argv) : -1;

    if (status >= 0)
        return status;
    error_set(&e, ERR_REQUEST, "no such command: %s%s%s; see vsayctl %s%s--help", argv[0],
              argc > 1 ? " " : "", argc > 1 ? argv[1] : "", group ? argv[0] : "", group ? " " : "");
    return finish(NULL, ERR_REQUEST, &e);
}

/* Parses what stands before the command. Returns -1 to go on, or the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments_given *out)
{
    char *all_commands = list_commands(NULL);
    const struct arguments_syntax syntax = {
        .program = PROGRAM,
        .usage = {BEFORE " COMMAND [options]"},
        .about = all_commands,
        .options = {[CONFIG] = {"config", "FILE",
                                .help = "configuration (default: $VSAY_CONF, then " SYSCONFDIR
                                        "/vsay/vsay.conf)",
                                .letter = 'c'}},
        .leading = true,
    };
    int status = arguments_parse(&syntax, argc, argv, out);

    if (status < 0 && !*out->operands) {
        arguments_print_help(&syntax, stderr);
        status = ARGUMENTS_USAGE;
    }
    free(all_commands);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments_given given;
    int words, status = parse_arguments(argc, argv, &given);

    if (status >= 0)
        return status;
    argc -= (int)(given.operands - argv);
    argv = given.operands;
    const struct subcommand *subcommand = find_command(argc, argv, &words);
    if (!subcommand)
        return explain(argc, argv);
    return run_command(subcommand, given.values[CONFIG], argc - words + 1, argv + words - 1);
}
