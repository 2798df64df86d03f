/* SPDX-License-Identifier: MIT */
/* The command line of a program: a table of its options, from which the parser, the usage text and
 * the error messages follow.
 *
 * Every program refuses what it does not know, with status 2, and every one answers --help and
 * --version: a mistyped option must not start a service with its defaults. getopt_long parses, so
 * --name=value, unambiguous abbreviations and `--` work as users expect. getopt alone knows neither
 * a help text nor where a value goes, and each program would say these in three places. */
#ifndef BASE_ARGUMENTS_H
#define BASE_ARGUMENTS_H

#include <stdbool.h>
#include <stdio.h>

enum { ARGUMENTS_MAX = 12, ARGUMENTS_USAGE = 2 /* exit status: the command line is wrong */ };

/* An option: --NAME VALUE, or a flag: --NAME. */
struct arguments_option {
    const char *name;
    const char *value;    /* what the help calls its value; NULL: a flag */
    const char *help;     /* a phrase, of any length */
    const char *fallback; /* the value when it is not given; NULL: none */
    char letter;          /* -LETTER means the same; 0: none */
};

/* Everything that a program accepts. --help is added to the table, and --version unless there is a
 * `command`. */
struct arguments_syntax {
    const char *program;
    const char *before;   /* the command, in the usage: options of the program */
    const char *command;  /* of the program, such as "machine add"; NULL: none */
    const char *usage[2]; /* its forms, after the name; NULL: options and operand */
    const char *about;    /* what it does, in whole lines */
    struct arguments_option options[ARGUMENTS_MAX + 1]; /* up to one without a name */
    const char *operand; /* name of the only argument that is not an option; NULL: none */
    bool leading;        /* options end at the first operand: the rest is another program's */
};

/* The parsed command line; all texts are borrowed. */
struct arguments_given {
    const char *values[ARGUMENTS_MAX]; /* values[i] is of options[i]; a given flag has its name */
    char **operands;                   /* up to a NULL */
};

/* Parses argv[1] and all after it. Returns -1 to go on, or the exit status: help or version was
 * printed, or an error. Moves operands to the end of argv. */
int arguments_parse(const struct arguments_syntax *syntax, int argc, char **argv,
                    struct arguments_given *out);

/* For a program whose options stand before those of another program: takes the option that *argv
 * is, written in full, and its value. Returns how many arguments it took: 0 if *argv is none of the
 * table's options; -1: an error was printed. */
int arguments_take(const struct arguments_syntax *syntax, char *const *argv,
                   struct arguments_given *out);

/* Prints the usage, the text about it and the options. */
void arguments_print_help(const struct arguments_syntax *syntax, FILE *out);

#endif
