/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/arguments.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"

enum { LINE_WIDTH = 80, FIRST_KEY = 256 /* above all letters */ };

static const struct arguments_option help_option = {
    .name = "help", .letter = 'h', .help = "show this text"};
static const struct arguments_option version_option = {
    .name = "version", .letter = 'V', .help = "show the version"};

/* The table with what every program has. */
struct table {
    struct arguments_option options[ARGUMENTS_MAX + 2];
    size_t count;
};

static void make_table(struct table *table, const struct arguments_syntax *syntax)
{
    table->count = 0;
    while (syntax->options[table->count].name) {
        table->options[table->count] = syntax->options[table->count];
        table->count++;
    }
    table->options[table->count++] = help_option;
    if (!syntax->command)
        table->options[table->count++] = version_option;
}

/* --- the help -------------------------------------------------------------------------------- */

/* Prints a text whose first line begins in column `indent`, as the others then do. */
static void print_wrapped(FILE *out, const char *text, int indent)
{
    int column = indent;

    while (*text) {
        int length = (int)strcspn(text, " ");
        if (column > indent && column + 1 + length > LINE_WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        }
        column += fprintf(out, "%s%.*s", column > indent ? " " : "", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

/* Length of `NAME VALUE`. */
static int label_length(const struct arguments_option *o)
{
    return (int)(strlen(o->name) + (o->value ? 1 + strlen(o->value) : 0));
}

static void print_option(FILE *out, const struct arguments_option *o, int width)
{
    char *help =
        o->fallback ? xasprintf("%s (default: %s)", o->help, o->fallback) : xstrdup(o->help);
    int indent = fprintf(out, o->letter ? "  -%c, " : "      ", o->letter);

    indent += fprintf(out, "--%s%s%s%*s", o->name, o->value ? " " : "", o->value ? o->value : "",
                      width - label_length(o) + 2, "");
    print_wrapped(out, help, indent);
    free(help);
}

static void print_usage(FILE *out, const struct arguments_syntax *syntax)
{
    static const char *const starts[] = {"Usage:", "      "};

    for (size_t i = 0; i < sizeof starts / sizeof *starts && (i == 0 || syntax->usage[i]); i++) {
        fprintf(out, "%s %s", starts[i], syntax->program);
        if (syntax->command)
            fprintf(out, " %s %s", syntax->before, syntax->command);
        fprintf(out, " %s", syntax->usage[i] ? syntax->usage[i] : "[options]");
        fprintf(out, syntax->operand ? " %s\n" : "\n", syntax->operand);
    }
}

/* All help texts begin in the column after the longest option. */
void arguments_print_help(const struct arguments_syntax *syntax, FILE *out)
{
    struct table table;
    int width = 0;

    make_table(&table, syntax);
    print_usage(out, syntax);
    fprintf(out, "\n%s\n\nOptions:\n", syntax->about);
    for (size_t i = 0; i < table.count; i++) {
        int length = label_length(&table.options[i]);
        width = length > width ? length : width;
    }
    for (size_t i = 0; i < table.count; i++)
        print_option(out, &table.options[i], width);
}

/* --- errors ---------------------------------------------------------------------------------- */

static int refuse(const struct arguments_syntax *syntax, const char *why, const char *argument)
{
    log_say("%s: %s '%s'; see %s%s%s --help", syntax->program, why, argument, syntax->program,
            syntax->command ? " " : "", syntax->command ? syntax->command : "");
    return ARGUMENTS_USAGE;
}

/* The output may be a full disk. */
static int check_output(const struct arguments_syntax *syntax)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    log_say("%s: cannot write the output", syntax->program);
    return EXIT_FAILURE;
}

/* --- parsing --------------------------------------------------------------------------------- */

/* Returns the value by which getopt names an option. */
static int key_of(const struct table *table, size_t i)
{
    return table->options[i].letter ? table->options[i].letter : FIRST_KEY + (int)i;
}

/* Index of the option with this key; table->count: none. */
static size_t find(const struct table *table, int key)
{
    size_t i = 0;

    while (i < table->count && key_of(table, i) != key)
        i++;
    return i;
}

/* Writes the table as getopt wants it. A colon at the beginning of the letters makes getopt silent,
 * and tell a missing value from an unknown option. */
static void describe(const struct table *table, bool leading, struct option *options, char *letters)
{
    letters = stpcpy(letters, leading ? "+:" : ":");
    for (size_t i = 0; i < table->count; i++) {
        const struct arguments_option *o = &table->options[i];
        options[i] = (struct option){o->name, o->value ? required_argument : no_argument, NULL,
                                     key_of(table, i)};
        if (o->letter)
            *letters++ = o->letter;
        if (o->letter && o->value)
            *letters++ = ':';
    }
    options[table->count] = (struct option){0};
    *letters = '\0';
}

/* Handles an option that getopt refuses. `argument` is the last one that it read; optopt is the key
 * of a known option, an unknown letter, or 0 for an unknown name. */
static int refuse_option(const struct arguments_syntax *syntax, const struct table *table, int key,
                         const char *argument)
{
    char letter[] = {'-', (char)optopt, '\0'};

    if (key == ':')
        return refuse(syntax, "missing value of option", argument);
    if (optopt && find(table, optopt) < table->count)
        return refuse(syntax, "unwanted value of option", argument);
    return optopt ? refuse(syntax, "unknown option", letter)
                  : refuse(syntax, "unknown or ambiguous option", argument);
}

/* Handles what getopt has found. Returns -1 to go on, or the exit status. */
static int handle_option(const struct arguments_syntax *syntax, const struct table *table, int key,
                         const char *argument, struct arguments_given *out)
{
    if (key == ':' || key == '?')
        return refuse_option(syntax, table, key, argument);
    if (key == help_option.letter) {
        arguments_print_help(syntax, stdout);
        return check_output(syntax);
    }
    if (key == version_option.letter) {
        printf("%s %s\n", syntax->program, PACKAGE_VERSION);
        return check_output(syntax);
    }
    size_t i = find(table, key);
    out->values[i] = optarg ? optarg : table->options[i].name;
    return -1;
}

int arguments_parse(const struct arguments_syntax *syntax, int argc, char **argv,
                    struct arguments_given *out)
{
    struct option options[ARGUMENTS_MAX + 3];
    char letters[2 * (ARGUMENTS_MAX + 2) + sizeof "+:"];
    struct table table;
    int key, status = -1;

    make_table(&table, syntax);
    describe(&table, syntax->leading, options, letters);
    for (size_t i = 0; i < ARGUMENTS_MAX; i++)
        out->values[i] = i < table.count ? table.options[i].fallback : NULL;
    optind = 0; /* tells getopt of a new argument list */
    while (status < 0 && (key = getopt_long(argc, argv, letters, options, NULL)) != -1)
        status = handle_option(syntax, &table, key, argv[optind - 1], out);
    out->operands = argv + optind;
    int most = syntax->operand ? 1 : 0;
    if (status < 0 && !syntax->leading && argc - optind > most)
        status = refuse(syntax, "unexpected argument", argv[optind + most]);
    return status;
}

/* getopt cannot do this: it would take the other program's options for misspelled or abbreviated
 * ones of ours, and split its clusters of letters. */
int arguments_take(const struct arguments_syntax *syntax, char *const *argv,
                   struct arguments_given *out)
{
    for (size_t i = 0; syntax->options[i].name; i++) {
        const struct arguments_option *o = &syntax->options[i];
        size_t length = strlen(o->name);
        if (strncmp(*argv, "--", 2) != 0 || strncmp(*argv + 2, o->name, length) != 0)
            continue;
        const char *rest = *argv + 2 + length;
        bool joined = *rest == '=' && o->value;
        if (*rest && !joined)
            continue;
        if (joined || !o->value) {
            out->values[i] = joined ? rest + 1 : o->name;
            return 1;
        }
        if (!argv[1]) {
            refuse(syntax, "missing value of option", *argv);
            return -1;
        }
        out->values[i] = argv[1];
        return 2;
    }
    return 0;
}
